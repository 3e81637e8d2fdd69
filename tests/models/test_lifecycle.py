"""Promote, go back, collect: exactly one line-up is live, whatever happens."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from crossmodal.errors import ModelMismatch
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions
from crossmodal.models import promotion_log
from crossmodal.models.aliases import aliases, remove_alias, set_alias
from crossmodal.models.lineage import ancestors_of, lineage_of, register_parent
from crossmodal.models.promotion import promote, rollback
from crossmodal.models.retire import collect, pin, unpin
from crossmodal.records import Lineup
from tests.ledger import build
from tests.ledger.build import commit, planned

NUM = 20
NAMES = ("first", "second", "third", "fourth")


@pytest.fixture
def four(collection: Collection) -> Collection:
    """Return a collection with four whole versions, the first of them live."""
    with collection.write() as con:
        for name in NAMES:
            version = build.version(name)
            if name == NAMES[0]:
                version = model_versions.register_lineup(con, Lineup.of(version)).joint
            else:
                version = model_versions.register(con, version)
            commit(con, version, *(planned(f"/p/{i}", str(i)) for i in range(NUM)))
    return collection


def live_names(con: Any) -> set[str]:
    live = model_versions.live(con)
    assert live is not None
    return {version.name for version in live.serving.values()}


def names(con: Any) -> list[str]:
    return [version.name for version in model_versions.all_versions(con)]


def test_rollback_makes_the_former_line_up_live_step_by_step(four: Collection) -> None:
    with four.write() as con:
        promote(con, {"image": "second"})
        promote(con, {"image": "third"})
        assert rollback(con, "found too little").after["image"].startswith("second")
        assert rollback(con).after["image"].startswith("first")
        with pytest.raises(ModelMismatch, match="no earlier line-up"):
            rollback(con)
        assert live_names(con) == {"first"}


def test_log_tells_who_did_what_and_why(four: Collection) -> None:
    with four.write() as con:
        promote(con, {"image": "second"}, why="better by two points")
        rollback(con, "it was not")
        lines = promotion_log.log_lines(con)
    assert [(line.action, line.why) for line in lines] == [
        ("rollback", "it was not"),
        ("promote", "better by two points"),
    ]
    assert all(line.who and line.at.endswith("Z") for line in lines)


def test_what_is_live_already_is_not_promoted_again(four: Collection) -> None:
    with four.write() as con:
        promote(con, {"image": "first"})
        assert promotion_log.log_lines(con) == []


def test_a_dry_run_tells_what_would_go_and_changes_nothing(four: Collection) -> None:
    told = collect(four, keep=1)
    assert [version.label[:6] for version in told.retired] == ["second", "third@"]
    assert told.freed_bytes == 2 * NUM * (build.DIM * 4 + 16)
    with four.read() as con:
        assert names(con) == list(NAMES)


def test_neither_the_live_nor_the_former_nor_a_pinned_version_is_collected(
    four: Collection,
) -> None:
    with four.write() as con:
        promote(con, {"image": "second"})
        pin(con, "third", "the baseline of the report")
    done = collect(four, keep=0, dry_run=False)
    assert [version.num_vectors for version in done.retired] == [NUM]
    with four.write() as con:
        assert names(con) == ["first", "second", "third"]
        unpin(con, "third")
        assert rollback(con).after["image"].startswith("first")
    collect(four, keep=0, dry_run=False)
    with four.read() as con:
        assert names(con) == ["first"]
        tables = build.column(con, "SELECT table_name FROM duckdb_tables()")
        assert sum(name.startswith("vector_") for name in tables) == 2


def test_a_version_that_a_live_space_is_derived_from_stays(four: Collection) -> None:
    with four.write() as con:
        register_parent(con, 3, 2, {"kind": "space", "centring": True})
        register_parent(con, 2, 4, {"kind": "training", "run": "r"})
        promote(con, {"image": "third"})
    collect(four, keep=0, dry_run=False)
    with four.read() as con:
        assert names(con) == ["first", "second", "third"]


def test_an_alias_names_a_version_moves_and_keeps_it(four: Collection) -> None:
    with four.write() as con:
        set_alias(con, "champion", "second")
        assert [v.name for v in model_versions.find(con, "champion")] == ["second"]
        set_alias(con, "champion", "third", "better by a point")
        assert [(each.name, each.why) for each in aliases(con)] == [
            ("champion", "better by a point")
        ]
        promote(con, {"image": "champion"})
        assert live_names(con) == {"third"}
        promote(con, {"image": "first"})
    collect(four, keep=0, dry_run=False)
    with four.write() as con:
        assert names(con) == ["first", "third"]
        remove_alias(con, "champion")
        assert model_versions.find(con, "champion") == []
        with pytest.raises(ModelMismatch, match="no alias 'champion'"):
            remove_alias(con, "champion")


@pytest.mark.parametrize("name", ["live", "second", "2", "", "Champion", "a b", "x" * 41])
def test_an_alias_is_a_name_that_means_nothing_else(four: Collection, name: str) -> None:
    with four.write() as con, pytest.raises(ModelMismatch):
        set_alias(con, name, "first")


def test_codes_of_a_collected_version_go_with_it(four: Collection) -> None:
    folder = Path(f"{four.path}.codes") / "vector_2_image"
    folder.mkdir(parents=True)
    (folder / "codes.npy").write_bytes(b"0" * 1000)
    done = collect(four, keep=2, dry_run=False)
    assert done.freed_bytes == NUM * (build.DIM * 4 + 16) + 1000
    assert not folder.exists()


def test_lineage_is_told_and_never_goes_in_circles(four: Collection) -> None:
    with four.write() as con:
        register_parent(con, 2, 1, {"kind": "training", "run": "a"})
        register_parent(con, 3, 2, {"kind": "training", "run": "b"})
        assert ancestors_of(con, 3) == [2, 1]
        found = lineage_of(con, 2)
        assert found is not None
        assert found.how["run"] == "a"
        with pytest.raises(ModelMismatch, match="cannot be made from 3"):
            register_parent(con, 1, 3, {"kind": "training"})


@pytest.mark.parametrize(
    "rounds",
    [pytest.param(3, marks=pytest.mark.process), pytest.param(30, marks=pytest.mark.operation)],
)
def test_killed_at_any_moment_exactly_one_line_up_is_live(four: Collection, rounds: int) -> None:
    rng = random.Random(5)
    for _ in range(rounds):
        command = [sys.executable, "-m", "tests.models.lifecycle_work", str(four.path)]
        worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert worker.stdout is not None
        assert worker.stdout.readline() == "at work\n"
        time.sleep(rng.uniform(0.0, 0.5))
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
        worker.stdout.close()
        with four.read() as con:
            assert len(live_names(con)) == 1
            assert live_names(con) <= set(names(con))
            log = promotion_log.log_lines(con, 1)
            live = model_versions.live(con)
            assert live is not None
            if log:
                assert log[0].after == {m: v.id for m, v in live.serving.items()}
