"""Measure what fusing a picture with its caption gains: learned, a weighted mean, or neither.

Each of 400 Flickr8k photos gets a passage in its own source: one of its captions, with its vector.
The others, or so many of them, ask for the photo, through the product's search of pictures. The
network learns from other photos (DATA/train); it saw nothing that is measured.

    crossmodal index DATA/captions/flickr8k DATA/train -c photos.duckdb --model MODEL
    python -m benchmarks.fusion photos.duckdb DATA [QUESTIONS]

MODEL serves texts too. The collection is copied first.
"""

from __future__ import annotations

import csv
import random
import shutil
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np

from benchmarks.learn_data import write_keep
from crossmodal.encoders.cache import load_version
from crossmodal.evaluation.intervals import difference
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions
from crossmodal.ledger.write.model_versions import vector_table
from crossmodal.search.options import QueryOptions
from crossmodal.search.service import Query, SearchService
from crossmodal.spaces.add import add_space
from crossmodal.spaces.fill import fill_spaces
from crossmodal.spaces.fit import SpaceSpec
from crossmodal.training.finetune import register_tuned
from crossmodal.training.fusion import tune_fusion
from crossmodal.training.head import HeadSpec
from crossmodal.training.prepare import prepare
from crossmodal.training.spec import FinetuneSpec

SHOWN = (1, 5, 10)
KEEPS = (0.75, 0.65)

_CHUNKS = "SELECT s.uri, c.chunk_id FROM source s JOIN chunk c USING (content_hash)"
_PASSAGE = """
INSERT INTO chunk BY NAME SELECT * REPLACE (
    nextval('chunk_id') AS chunk_id, 'passage' AS kind, 'text' AS modality, ordinal + 1 AS ordinal,
    ? AS text)
FROM chunk WHERE chunk_id = ? RETURNING chunk_id
"""


def main(given: str, data: str, each: str = "4") -> None:
    """Measure on a copy of the collection."""
    folder = Path(tempfile.mkdtemp())
    collection = str(shutil.copy(given, folder / "fusion.duckdb"))
    root = Path(data).absolute()
    measure(collection, root, _told(collection, root, int(each)))


def _told(collection: str, data: Path, each: int) -> list[tuple[str, str]]:
    """Put one caption of each photo beside it; return the others, each with its photo."""
    captions: dict[str, list[str]] = defaultdict(list)
    for row in csv.DictReader((data / "captions" / "captions.csv").open(encoding="utf-8")):
        if row["path"].startswith("captions/flickr8k/"):
            captions[str(data / row["path"])].append(row["caption"])
    draw = random.Random(0)
    told = {photo: texts.pop(draw.randrange(len(texts))) for photo, texts in captions.items()}
    opened = Collection(collection)
    with opened.read() as con:
        live = model_versions.live(con)
        assert live is not None
        chunks = dict(con.execute(_CHUNKS).fetchall())
    vectors = load_version(live.joint, "auto").encode_passages(list(told.values())).vectors
    table = vector_table(live.joint.id or 0, "text")
    with opened.write() as con:
        for (photo, text), vector in zip(told.items(), vectors, strict=True):
            (passage,) = con.execute(_PASSAGE, [text, chunks[photo]]).fetchone() or (0,)
            con.execute(
                f"INSERT INTO {table} (chunk_id, run_id, v) VALUES (?, 'made', ?)",
                [passage, vector.tolist()],
            )
            con.execute("UPDATE chunk SET parent = ordinal + 1 WHERE chunk_id = ?", [chunks[photo]])
    return [(text, photo) for photo, texts in captions.items() for text in texts[:each]]


def measure(collection: str, data: Path, asked: list[tuple[str, str]]) -> None:
    """Ask every question of the base, of weighted means and of the learned fusion."""
    photos = np.unique([place for _, place in asked], return_inverse=True)[1]
    where = f"path={data}/captions/flickr8k/*"
    base = _hits(collection, asked, where, None)
    _say("no caption", base, base, photos)
    names = {f"mean, {1 - keep:.0%} of the caption": _mean(collection, keep) for keep in KEEPS}
    means = {what: _hits(collection, asked, where, name) for what, name in names.items()}
    for what, found in means.items():
        _say(what, found, base, photos)
    fused = _hits(collection, asked, where, _learned(collection, data))
    _say("learned", fused, base, photos)
    for what, found in means.items():
        _say(f"learned against {what}", fused, found, photos)


def _mean(collection: str, keep: float) -> str:
    spec = SpaceSpec(kind="propagation", name=f"mean-{keep}", keep=keep, steps=1, centred=False)
    return add_space(collection, spec).name


def _learned(collection: str, data: Path) -> str:
    opened = Collection(collection)
    pairs = write_keep(data / "train", Path(collection).parent, 1781, 5)
    head = HeadSpec(epochs=40, learning_rate=5e-4)
    spec = FinetuneSpec(pairs=str(pairs), depth="fusion", name="fused", head=head)
    prepared = prepare(opened, spec)
    tuned = tune_fusion(prepared, spec, lambda epoch: None)
    print([step.to_dict() for step in tuned.steps], tuned.share, tuned.best_epoch)
    with opened.write() as con:
        register_tuned(con, prepared, tuned, spec, "benchmark")
    fill_spaces(opened, "benchmark")
    return "fused"


def _hits(
    collection: str, asked: list[tuple[str, str]], where: str, model: str | None
) -> np.ndarray:
    """Return (questions, 3): whether the photo is the first, among five, among ten."""
    options = QueryOptions(
        collection=collection, model=model, k=max(SHOWN), modalities=("image",), where=[where]
    )
    answers = SearchService(Collection(collection)).ask_many(
        [Query(text=text) for text, _ in asked], options
    )
    ranks = [
        next((hit.rank for hit in answer.hits if hit.uri == place), max(SHOWN) + 1)
        for answer, (_, place) in zip(answers, asked, strict=True)
    ]
    return np.array([[rank <= k for k in SHOWN] for rank in ranks], np.float64)


def _say(what: str, found: np.ndarray, base: np.ndarray, photos: np.ndarray) -> None:
    for column, k in enumerate(SHOWN):
        gained = difference(found[:, column], base[:, column], photos)
        print(
            f"{what:45} recall@{k:<3} {found[:, column].mean():.3f}  "
            f"{gained.value:+.3f} ({gained.low:+.3f} to {gained.high:+.3f})",
            flush=True,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
