"""Stored vectors in Python, and as files of ``crossmodal export``."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner, Result

import crossmodal
from crossmodal.cli.export import export
from crossmodal.errors import (
    CollectionEmpty,
    CollectionMissing,
    ExtraMissing,
    ModelMismatch,
    PathError,
)
from crossmodal.ledger.collection import Collection
from crossmodal.search.lists import serving_lists
from crossmodal.search.options import QueryOptions
from crossmodal.vectors.export import export as write
from tests.face.conftest import NUM_PICTURES, Album
from tests.tiny_model import DIM

HAS_LANCE = importlib.util.find_spec("lance") is not None

app = typer.Typer()
app.command()(export)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_vectors_come_as_arrow_daft_and_numpy(album: Album) -> None:
    found = crossmodal.read_vectors(album.path, "image")
    matrix = found.to_numpy()
    assert matrix.shape == (NUM_PICTURES, DIM) == (len(found), found.dim)
    assert matrix.dtype == np.float32
    assert np.linalg.norm(matrix, axis=1) == pytest.approx(1, abs=1e-5)
    table = found.to_arrow()
    assert sorted(table["path"].to_pylist()) == sorted(map(str, album.pictures))
    assert table["vector"].to_pylist() == matrix.tolist()
    assert table.schema.metadata[b"crossmodal.model"].decode() == found.model
    assert found.to_daft().count_rows() == NUM_PICTURES
    assert repr(found).startswith("<12 image vectors of tiny-clip@")


def test_vectors_are_those_that_a_search_compares_with(album: Album) -> None:
    found = crossmodal.read_vectors(album.opened, "image")
    hits = album.opened.search(image=album.pictures[3], k=12, modalities="image")
    rows = {chunk_id: row for row, chunk_id in enumerate(found.table["chunk_id"].to_pylist())}
    matrix = found.to_numpy()
    asked = matrix[rows[hits[0].chunk_id]]
    for hit in hits:
        assert float(asked @ matrix[rows[hit.chunk_id]]) == pytest.approx(hit.score, abs=1e-3)


def test_vectors_that_are_not_there_are_told_of(album: Album, tmp_path: Path) -> None:
    with pytest.raises(CollectionEmpty, match="audio"):
        crossmodal.read_vectors(album.path, "audio")
    with pytest.raises(ModelMismatch):
        crossmodal.read_vectors(album.path, "image", model="no such")
    with pytest.raises(CollectionMissing):
        crossmodal.read_vectors(tmp_path / "none.duckdb", "image")


def test_export_writes_a_parquet_file_a_modality(album: Album, tmp_path: Path) -> None:
    done = run(tmp_path / "out", "-c", album.path, "--json")
    told = json.loads(done.stdout)
    assert {each["modality"]: each["num_vectors"] for each in told} == {
        "image": NUM_PICTURES,
        "text": 2,
    }
    assert sorted(os.listdir(tmp_path / "out")) == ["image.parquet", "text.parquet"]
    read = crossmodal.read_vectors(album.path, "image").to_arrow()
    stored = pq.read_table(tmp_path / "out" / "image.parquet")
    assert stored.equals(read)
    assert stored.schema.metadata[b"crossmodal.modality"] == b"image"
    assert "vectors: 14 of 14" in done.stderr


def test_export_of_one_modality_replaces_the_file_of_that_name(
    album: Album, tmp_path: Path
) -> None:
    dest = tmp_path / "pictures.parquet"
    dest.write_text("from yesterday")
    done = run(dest, "-c", album.path, "--modality", "image")
    assert done.exit_code == 0, done.output
    assert pq.read_metadata(dest).num_rows == NUM_PICTURES
    assert os.listdir(tmp_path) == ["pictures.parquet"]


def test_one_file_for_several_modalities_is_refused(album: Album, tmp_path: Path) -> None:
    done = run(tmp_path / "all.parquet", "-c", album.path)
    assert done.exit_code == 2
    assert "image and text" in done.output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments", [("a.lance", "--format", "parquet"), ("a", "--format", "csv")]
)
def test_unknown_or_contradicting_format_is_refused(
    album: Album, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    name, *options = arguments
    assert run(tmp_path / name, "-c", album.path, *options).exit_code == 2
    assert not list(tmp_path.iterdir())


def test_export_of_no_collection_fails_and_writes_nothing(tmp_path: Path) -> None:
    done = run(tmp_path / "out", "-c", tmp_path / "none.duckdb")
    assert isinstance(done.exception, CollectionMissing)
    assert not list(tmp_path.iterdir())


def test_export_that_ends_half_way_leaves_what_was_there(album: Album, tmp_path: Path) -> None:
    dest = tmp_path / "pictures.parquet"
    dest.write_text("from yesterday")

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    opened = Collection(album.path)
    with opened.read() as con:
        options = QueryOptions(collection=str(album.path), modalities=("image",))
        (held,) = serving_lists(con, opened.path, options)
        with pytest.raises(KeyboardInterrupt):
            write(con, held, dest, "parquet", interrupted)
    assert dest.read_text() == "from yesterday"
    assert os.listdir(tmp_path) == ["pictures.parquet"]


def test_export_to_where_nothing_can_be_written_is_told_of(album: Album, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    done = run(tmp_path / "file" / "out.parquet", "-c", album.path, "--modality", "image")
    assert isinstance(done.exception, PathError)
    assert "cannot write" in str(done.exception)


def test_lance_is_written_where_its_package_is_and_asked_for_elsewhere(
    album: Album, tmp_path: Path
) -> None:
    dest = tmp_path / "pictures.lance"
    done = run(dest, "-c", album.path, "--modality", "image")
    if not HAS_LANCE:
        assert isinstance(done.exception, ExtraMissing)
        assert "crossmodal[lance]" in str(done.exception)
        assert not list(tmp_path.iterdir())
        return
    import lance

    assert lance.dataset(str(dest)).count_rows() == NUM_PICTURES
    again = run(dest, "-c", album.path, "--modality", "image")
    assert "is there already" in str(again.exception)
