"""Give the tests of this room a small collection of drawn pictures, embedded by a tiny model."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from crossmodal.embedding.one_picture import encode_picture
from crossmodal.encoders.cache import load_encoder
from crossmodal.encoders.encoder import Encoder
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions, shard_writer
from crossmodal.models import files as model_files
from crossmodal.models.options import ModelSpec
from crossmodal.records import Lineup
from tests.drawn import draw_pictures
from tests.ledger.build import plan, planned, shard, vector_row
from tests.tiny_model import build_tiny_clip

NUM_PICTURES = 36
CAPTIONS_EACH = 2


@dataclass(frozen=True)
class Album:
    """Hold pictures on disk, and a collection that has them."""

    pictures: list[Path]
    collection: Path


def load(directory: Path) -> Encoder:
    files = model_files.resolve(ModelSpec(str(directory)))
    version = model_files.describe(files, "float32", model_files.weights_hash(files))
    return load_encoder(files, version, "cpu")


def embed(collection: Collection, pictures: list[Path], encoder: Encoder) -> None:
    vectors = [encode_picture(encoder, str(path)) for path in pictures]
    with collection.write() as con:
        if model_versions.live(con) is None:
            lineup = model_versions.register_lineup(con, Lineup.of(encoder.version))
        else:
            lineup = Lineup.of(model_versions.register(con, encoder.version))
        rows = [planned(str(path), str(path)) for path in pictures]
        embedded = [vector_row(row, v) for row, v in zip(rows, vectors, strict=True)]
        shard_writer.commit_shard(con, shard(lineup, plan(*rows), embedded))


@pytest.fixture(scope="session")
def other_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models") / "other-clip"
    build_tiny_clip(directory, seed=11)
    return directory


@pytest.fixture(scope="session")
def album(tmp_path_factory: pytest.TempPathFactory, tiny_clip: Path, other_clip: Path) -> Album:
    """Return pictures under two model versions; what it holds is not to be changed."""
    folder = tmp_path_factory.mktemp("album")
    pictures = draw_pictures(folder / "pictures", NUM_PICTURES)
    collection = Collection(folder / "album.duckdb")
    embed(collection, pictures, load(tiny_clip))
    embed(collection, pictures, load(other_clip))
    return Album(pictures, collection.path)


@pytest.fixture
def captions(tmp_path: Path, album: Album) -> Callable[..., Path]:
    """Return a writer of sets: each picture with captions of its own, then further rows."""

    def write(*further: tuple[str, str], name: str = "captions.csv") -> Path:
        rows = [
            (str(picture), f"drawing {number} seen {side}")
            for number, picture in enumerate(album.pictures)
            for side in ("left", "right")
        ]
        with (tmp_path / name).open("w", newline="") as file:
            csv.writer(file).writerows([("path", "caption"), *rows, *further])
        return tmp_path / name

    return write
