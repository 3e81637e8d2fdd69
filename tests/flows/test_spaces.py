"""Runs keep derived spaces in step, above all those that searches use."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossmodal.ledger.collection import Collection
from crossmodal.models.promotion import promote_in
from crossmodal.search.options import QueryOptions
from crossmodal.search.service import answer
from crossmodal.spaces.add import add_space
from crossmodal.spaces.fit import SpaceSpec
from tests.drawn import draw_pictures
from tests.flows.test_index import run_index, scalar

pytestmark = pytest.mark.usefixtures("prefect")


def test_live_space_follows_what_is_added_and_deleted(tmp_path: Path, tiny_clip: Path) -> None:
    path, folder = tmp_path / "collection.duckdb", tmp_path / "pictures"
    first, *_, fresh = draw_pictures(folder, 21)
    picture = fresh.read_bytes()
    fresh.unlink()
    run_index(path, folder, model=str(tiny_clip))
    space = add_space(str(path), SpaceSpec(kind="pca", dim=8))
    promote_in(Collection(path), {"image": space.name})
    fresh.write_bytes(picture)
    first.unlink()
    report = run_index(path, folder, allow_delete=True)
    assert report["num_embedded"] == 1
    ids = "SELECT list(chunk_id ORDER BY chunk_id) FROM vector_{}_image"
    assert scalar(path, ids.format(space.id)) == scalar(path, ids.format(1))
    (found,) = answer(QueryOptions(collection=str(path), k=1, device="cpu"), [], [str(fresh)])
    assert found.hits[0].uri == str(fresh)
    assert found.model == space.label
    assert run_index(path, folder)["num_embedded"] == 0
