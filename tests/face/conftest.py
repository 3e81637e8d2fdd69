"""Give the tests of this room one collection of drawn pictures and a few passages, tiny model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

import crossmodal
from crossmodal.embedding.one_picture import encode_picture
from crossmodal.encoders.cache import load_encoder
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions, shard_writer
from crossmodal.models import files as model_files
from crossmodal.models.options import ModelSpec
from crossmodal.records import Lineup
from tests.drawn import draw_pictures
from tests.ledger.build import plan, planned, shard, vector_row

NUM_PICTURES = 12
HOSTILE = "<img src=x onerror=alert(1)>&\"'.png"
SAID = "<script>alert('said')</script> a boat"


@dataclass(frozen=True)
class Album:
    """Hold pictures on disk, and the collection that has them and two passages."""

    pictures: list[Path]
    path: Path

    @property
    def opened(self) -> crossmodal.OpenCollection:
        return crossmodal.open(self.path, device="cpu")


@pytest.fixture(scope="session")
def album(tmp_path_factory: pytest.TempPathFactory, tiny_clip: Path) -> Album:
    """Return a collection in which one file has the name of an attack; not to be changed."""
    folder = tmp_path_factory.mktemp("face")
    pictures = draw_pictures(folder / "pictures", NUM_PICTURES)
    pictures[0] = pictures[0].rename(pictures[0].with_name(HOSTILE))
    files = model_files.resolve(ModelSpec(str(tiny_clip)))
    version = model_files.describe(files, "float32", model_files.weights_hash(files))
    encoder = load_encoder(files, version, "cpu")
    rows = [planned(str(path), str(path)) for path in pictures]
    embedded = [
        vector_row(
            row, encode_picture(encoder, str(path)), text=SAID if path is pictures[0] else ""
        )
        for row, path in zip(rows, pictures, strict=True)
    ]
    notes = [planned(f"/notes/{number}.txt", f"note {number}") for number in range(2)]
    words = encoder.encode_queries(["a boat on the sea", "a table of figures"])
    embedded += [
        vector_row(row, vector, modality="text", text=f"note {number}")
        for number, (row, vector) in enumerate(zip(notes, words, strict=True))
    ]
    collection = Collection(folder / "album.duckdb")
    with collection.write() as con:
        lineup = model_versions.register_lineup(con, Lineup.of(encoder.version))
        shard_writer.commit_shard(con, shard(lineup, plan(*rows, *notes), embedded))
    return Album(pictures, collection.path)
