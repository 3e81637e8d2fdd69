"""What is forgotten is nowhere in the collection any more; what others hold stays."""

from __future__ import annotations

from typing import Any

import pytest

from crossmodal.errors import ModelMismatch, PathError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.verify_all import verify_all
from crossmodal.ledger.write import model_versions
from crossmodal.models.retire import retire_one
from crossmodal.records import Lineup
from crossmodal.runs.forget_run import forget_sources
from tests.ledger.build import commit, commit_refused, count, planned, version


@pytest.fixture
def filled(collection: Collection) -> Collection:
    """Return a collection of two folders that share a content."""
    with collection.write() as con:
        model = model_versions.register(con, version())
        commit(con, model, planned("/canary/a", "canary-a"), planned("/canary/b", "shared"))
        commit(con, model, planned("/kept/b", "shared"), planned("/kept/canary", "K"))
        commit_refused(con, model, planned("/canary/bad", "canary-bad"))
    return collection


def everything(collection: Collection) -> str:
    """Return all that stands in any table, as text."""
    with collection.read() as con:
        tables = con.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        rows: list[Any] = [con.execute(f'SELECT * FROM "{t}"').fetchall() for (t,) in tables]
    return str(rows)


def test_dry_run_says_what_would_go_and_changes_nothing(filled: Collection) -> None:
    before = everything(filled)
    told = forget_sources(filled, "/canary", dry_run=True)
    assert (told.num_sources, told.num_contents, told.num_chunks) == (3, 2, 1)
    assert everything(filled) == before


def test_forgotten_folder_leaves_no_trace_and_shared_content_stays(filled: Collection) -> None:
    forget_sources(filled, "/canary/", dry_run=False)
    text = everything(filled)
    assert "/canary/" not in text
    assert "canary-a" not in text
    with filled.read() as con:
        assert count(con, "source") == 2
        assert count(con, "vector_1_image") == 2
    assert verify_all(filled).problems == []


def test_one_source_can_be_forgotten_and_its_namesake_stays(filled: Collection) -> None:
    assert forget_sources(filled, "/canary/b", dry_run=False).num_chunks == 0
    with filled.read() as con:
        uris = con.execute("SELECT uri FROM source ORDER BY uri").fetchall()
    assert uris == [("/canary/a",), ("/canary/bad",), ("/kept/b",), ("/kept/canary",)]


def test_unknown_name_is_refused(filled: Collection) -> None:
    with pytest.raises(PathError, match="knows no source '/nobody'"):
        forget_sources(filled, "/nobody", dry_run=False)


def test_model_version_goes_unless_it_is_needed(filled: Collection) -> None:
    with filled.write() as con:
        model_versions.set_live(con, model_versions.register_lineup(con, lineup_of(con)))
        other = model_versions.register(con, version("other"))
        commit(con, other, planned("/kept/b", "shared"))
    with pytest.raises(ModelMismatch, match="stays: live"):
        retire_one(filled, "1", dry_run=False)
    assert retire_one(filled, "other").num_vectors == 1
    assert retire_one(filled, "other", dry_run=False).num_vectors == 1
    with filled.read() as con:
        assert [v.id for v in model_versions.all_versions(con)] == [1]


def lineup_of(con: Any) -> Lineup:
    return Lineup.of(model_versions.by_id(con, 1))
