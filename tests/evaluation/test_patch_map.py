"""A map says where in a picture a model of pages finds the words of a query."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from crossmodal.cli.main import make_app
from crossmodal.encoders.rerankers.loading import load_reranker
from crossmodal.encoders.rerankers.reranker import MappingReranker, Side
from crossmodal.errors import ModelMismatch, ModelUnsupported
from crossmodal.ledger.collection import Collection
from crossmodal.search.patch_map import map_patches
from tests import tiny_rerankers as tiny
from tests.evaluation.conftest import Album


@pytest.fixture(scope="module")
def col_qwen2(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.build_col_qwen2(tmp_path_factory.mktemp("col-qwen2") / "model"))


@pytest.fixture
def collection(album: Album, tmp_path: Path) -> Collection:
    return Collection(shutil.copy(album.collection, tmp_path / "own.duckdb"))


def mapping(folder: str) -> MappingReranker:
    found = load_reranker(folder, "cpu")
    assert isinstance(found, MappingReranker)
    return found


def first_picture(collection: Collection) -> int:
    with collection.read() as con:
        row = con.execute("SELECT min(chunk_id) FROM chunk WHERE modality = 'image'").fetchone()
    assert row is not None
    return int(row[0])


def test_map_has_the_shape_of_the_picture(col_qwen2: str) -> None:
    model = mapping(col_qwen2)
    wide = model.patch_map("a boat", Image.new("RGB", (60, 20), "navy"))
    assert wide.shape[1] > wide.shape[0] >= 1
    assert np.abs(wide).max() <= 1 + 1e-5


def test_map_is_the_mean_of_what_the_score_takes_the_best_of(col_qwen2: str) -> None:
    model = mapping(col_qwen2)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8))
    grid = model.patch_map("a boat", picture)
    score = float(model.scores(Side(text="a boat"), [Side(picture=picture)])[0])
    assert grid.max() <= score + 1e-3
    assert not np.allclose(grid, model.patch_map("1,284.50 EUR", picture))


@pytest.mark.parametrize("build", [tiny.build_col_pali, tiny.build_col_modern_vbert])
def test_models_of_square_pictures_give_a_square(build: Any, tmp_path: Path) -> None:
    picture = Image.new("RGB", (60, 20), "navy")
    grid = mapping(str(build(tmp_path / "model"))).patch_map("a boat", picture)
    assert grid.shape[0] == grid.shape[1] > 1


def test_command_draws_the_map_over_the_picture(
    collection: Collection, col_qwen2: str, tmp_path: Path
) -> None:
    chunk, out = first_picture(collection), tmp_path / "why.png"
    arguments = ["reranker", "why", col_qwen2, "a boat", str(chunk), "--out", str(out), "--json"]
    done = CliRunner().invoke(
        make_app(arguments), [*arguments, "-c", str(collection.path), "--device", "cpu"]
    )
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    with Image.open(out) as drawn:
        assert drawn.size == (told["width"], told["height"])
        colours = np.asarray(drawn.convert("RGB")).astype(int)
    red = colours[..., 0] - colours[..., 2]
    assert red.max() > 30
    assert len(told["grid"]) >= 1


def test_map_is_refused_where_there_is_none(
    collection: Collection, col_qwen2: str, tmp_path: Path
) -> None:
    path = str(collection.path)
    with pytest.raises(ModelMismatch, match="has no picture 999999"):
        map_patches(path, 999_999, "a boat", col_qwen2, "cpu")
    texts = str(tiny.build_colbert(tmp_path / "colbert"))
    with pytest.raises(ModelUnsupported, match="gives no map"):
        map_patches(path, first_picture(collection), "a boat", texts, "cpu")


def redness(path: Path) -> int:
    with Image.open(path) as sheet:
        colours = np.asarray(sheet.convert("RGB")).astype(int)
    return int((colours[..., 0] - colours[..., 2] > 60).sum())


def test_contact_sheet_shows_where_each_picture_matches_where_that_is_asked_for(
    collection: Collection, col_qwen2: str, tmp_path: Path
) -> None:
    with collection.write() as con:
        for (uri,) in con.execute("SELECT uri FROM source").fetchall():
            with Image.open(uri) as picture:
                grey = picture.convert("L").convert("RGB")
            grey.save(tmp_path / Path(uri).name)
            found = (tmp_path / Path(uri).name).stat()
            con.execute(
                "UPDATE source SET uri = ?, size_bytes = ?, mtime_ns = ? WHERE uri = ?",
                [str(tmp_path / Path(uri).name), found.st_size, found.st_mtime_ns, uri],
            )
    plain, mapped, unranked = (tmp_path / f"{name}.png" for name in ("plain", "map", "unranked"))
    asked = ["search", "a boat", "-c", str(collection.path), "--device", "cpu", "--here"]
    ranked = [*asked, "--rerank", col_qwen2, "--rerank-deadline-ms", "0"]
    for arguments in (
        [*ranked, "--contact-sheet", str(plain)],
        [*ranked, "--contact-sheet", str(mapped), "--maps"],
    ):
        done = CliRunner().invoke(make_app(arguments), arguments)
        assert done.exit_code == 0, done.output
    assert redness(mapped) > redness(plain) + 1000
    arguments = [*asked, "--contact-sheet", str(unranked), "--maps"]
    done = CliRunner().invoke(make_app(arguments), arguments)
    assert done.exit_code == 0, done.output
    assert "nothing is drawn over the hits" in done.stderr
    assert redness(unranked) == redness(plain)
