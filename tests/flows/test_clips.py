"""Films are found by their clips, of a few frames each, once that is asked for."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import crossmodal
from crossmodal.cli.dry_run import refuse_early
from crossmodal.errors import ModelUnsupported
from crossmodal.ledger.collection import Collection
from flows.backfill import backfill
from flows.index import index
from flows.params.base import IndexParams
from flows.search import search
from tests.chunking.clips import COLOURS, film, scene, scenes
from tests.tiny_model import build_tiny_gemma, build_tiny_qwen

pytestmark = pytest.mark.usefixtures("prefect")


@pytest.fixture(scope="module")
def films_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    (folder / "three.mp4").write_bytes(film(scenes([2, 3, 1]), title="Three colours"))
    (folder / "one.mp4").write_bytes(film(scenes([1])))
    broken = film(scenes([2]))
    (folder / "broken.mp4").write_bytes(broken[: len(broken) // 2])
    Image.fromarray(scene(COLOURS[1])).save(folder / "picture.png")
    return folder


@pytest.fixture
def films(films_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(films_once, tmp_path / "films"))


@pytest.fixture(scope="module")
def gemma(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(build_tiny_gemma(tmp_path_factory.mktemp("gemma") / "model"))


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> str:
    instruction = "Say what it is."
    return str(build_tiny_qwen(tmp_path_factory.mktemp("qwen") / "model", instruction=instruction))


def chunks(collection: str) -> list[tuple[Any, ...]]:
    """Return kind, first and last second of what shows a film, in order."""
    with Collection(collection).read() as con:
        return con.execute(
            "SELECT kind, (meta->>'start_s')::DOUBLE, (meta->>'end_s')::DOUBLE FROM chunk "
            "WHERE kind IN ('frame', 'clip') ORDER BY ALL"
        ).fetchall()


@pytest.mark.parametrize("family", ["gemma", "qwen"])
def test_clip_is_found_by_a_text_a_picture_and_a_clip_and_says_where_it_is(
    family: str, films: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    collection = str(tmp_path / "films.duckdb")
    where: dict[str, Any] = {"collection": collection, "paths": [str(films)]}
    report = index(**where, model=request.getfixturevalue(family), clips=True)
    assert report["quarantined"] == {"truncated": 1}
    assert report["num_embedded"] == 5
    found = [(0.0, 1.0), (0.0, 2.0), (2.0, 5.0), (5.0, 6.0)]
    assert chunks(collection) == [("clip", *span) for span in found]
    with crossmodal.open(collection) as opened:
        hits = opened.search("a boat", k=9)
        clip = next(hit for hit in hits if hit.kind == "clip")
        alike = opened.similar(clip, k=9)
        drawn = hits._repr_html_()
    assert clip.modality == "image"
    assert 0 <= clip.meta["start_s"] <= clip.meta["frame_s"] < clip.meta["end_s"]
    assert clip.meta["num_frames"] >= 2
    assert {hit.kind for hit in alike} == {"image", "clip"}
    assert drawn.count("<img") == len(hits) == 3
    by_picture = search(collection=collection, image=str(films / "picture.png"), k=9)
    assert {hit["kind"] for hit in by_picture["hits"]} == {"image", "clip"}
    assert index(**where)["num_embedded"] == 0, "the collection remembers, and nothing changed"


def test_films_are_cut_anew_between_frames_and_clips_and_nothing_else_is(
    films: Path, tmp_path: Path, gemma: str, tiny_clip: Path
) -> None:
    collection = str(tmp_path / "films.duckdb")
    where: dict[str, Any] = {"collection": collection, "paths": [str(films)]}
    index(**where, model=gemma)
    assert {kind for kind, *_ in chunks(collection)} == {"frame"}
    report = index(**where, clips=True)
    assert (report["counts"]["changed"], report["num_embedded"]) == (2, 4)
    assert {kind for kind, *_ in chunks(collection)} == {"clip"}
    with pytest.raises(ModelUnsupported, match="takes one frame at a time"):
        backfill(**where, model=str(tiny_clip))
    index(**where, clips=False)
    assert {kind for kind, *_ in chunks(collection)} == {"frame"}


def test_model_of_single_frames_is_refused_and_nothing_is_remembered_of_it(
    films: Path, tmp_path: Path, tiny_clip: Path
) -> None:
    collection = str(tmp_path / "films.duckdb")
    where: dict[str, Any] = {"collection": collection, "paths": [str(films)]}
    asked: dict[str, Any] = {**where, "model": str(tiny_clip), "clips": True}
    for refused in (lambda: refuse_early(IndexParams(**asked)), lambda: index(**asked)):
        with pytest.raises(ModelUnsupported, match=r"takes one frame at a time.*--no-clips"):
            refused()
    assert index(**where, model=str(tiny_clip))["num_embedded"] == 5
    assert {kind for kind, *_ in chunks(collection)} == {"frame"}
