"""Undo puts every table back as it was before a run, whatever the run did."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from crossmodal.errors import ParametersError, UndoRefused
from crossmodal.ledger.migrations import migrate
from crossmodal.ledger.write import shard_writer, undo, undo_log
from crossmodal.records import Lineup
from tests.ledger import build
from tests.ledger.build import commit, content, count, plan, planned
from tests.ledger.undo_world import World, digest, start, take_back


@pytest.fixture
def fresh() -> Iterator[Any]:
    with duckdb.connect(":memory:", config={"threads": 1}) as con:
        migrate(con)
        yield con


@pytest.fixture
def world(fresh: Any) -> World:
    return World(fresh, random.Random(1))


def hold(seed: int) -> None:
    """Run a random history; take it back run by run, then bring it all again the same way."""
    with duckdb.connect(":memory:", config={"threads": 1}) as con:
        migrate(con)
        undo_log.set_keep_undo(con, "100")
        world = World(con, random.Random(seed))
        digests, run_ids = [digest(con)], []
        for _ in range(world.rng.randint(1, 4)):
            run_ids.append(world.run())
            digests.append(digest(con))
        undone = []
        for number, run_id in reversed(list(enumerate(run_ids))):
            undone.append(take_back(con, run_id, f"undo {run_id}").run_id)
            assert digest(con) == digests[number]
        for number, run_id in enumerate(reversed(undone), start=1):
            take_back(con, run_id, f"redo {run_id}")
            assert digest(con) == digests[number]


@pytest.mark.parametrize("seed", range(6))
def test_undo_puts_back_every_table_and_undone_it_brings_all_again(seed: int) -> None:
    hold(seed)


@pytest.mark.operation
@pytest.mark.parametrize("seed", range(6, 106))
def test_a_hundred_random_histories_are_taken_back(seed: int) -> None:
    hold(seed)


def test_a_run_is_not_undone_after_one_that_touched_the_same_sources(world: World) -> None:
    con = world.con
    version = world.versions[0]
    for run_id in ("first", "second"):
        undo_log_start(con, run_id)
        commit(con, version, planned("/p/a", "A"), run_id=run_id)
        finish(con, run_id)
    with pytest.raises(UndoRefused, match=r"run second \(index, .* touched the same sources"):
        take_back(con, "first", "u1")
    con.execute("DELETE FROM run WHERE run_id = 'u1'")
    take_back(con, "second", "u2")
    take_back(con, "first", "u3")
    assert count(con, "source") == count(con, "chunk") == 0


def test_a_run_is_not_undone_after_one_that_copied_its_content(world: World) -> None:
    con = world.con
    undo_log_start(con, "first")
    commit(con, world.versions[0], planned("/p/a", "A"), run_id="first")
    finish(con, "first")
    undo_log_start(con, "second")
    copy = plan(planned("/p/copy", "A", action="duplicate", embed=False))
    shard_writer.apply_plan(con, copy, "second", Lineup.of(world.versions[0]))
    finish(con, "second")
    with pytest.raises(UndoRefused, match="run second"):
        take_back(con, "first", "u1")


def test_runs_that_touched_other_sources_stand(world: World) -> None:
    con = world.con
    for run_id, name in (("first", "A"), ("second", "B")):
        undo_log_start(con, run_id)
        commit(con, world.versions[0], planned(f"/p/{name}", name), run_id=run_id)
        finish(con, run_id)
    done = take_back(con, "first", "u1")
    assert (done.num_chunks_gone, done.num_vectors_gone) == (1, 1)
    assert build.column(con, "SELECT uri FROM source") == ["/p/B"]


def test_a_run_is_undone_once(world: World) -> None:
    run_id = world.run()
    take_back(world.con, run_id, "u1")
    with pytest.raises(UndoRefused, match="was undone by u1"):
        take_back(world.con, run_id, "u2")


def test_nothing_is_undone_while_a_run_is_at_work(world: World) -> None:
    run_id = world.run()
    undo_log_start(world.con, "busy")
    with pytest.raises(UndoRefused, match="run busy is at work"):
        take_back(world.con, run_id, "u1")


def test_only_the_latest_runs_are_kept(world: World) -> None:
    undo_log.set_keep_undo(world.con, "2")
    run_ids = [world.run() for _ in range(4)]
    kept = [each.run_id for each in undo.undoable(world.con)]
    assert kept == [run_ids[3], run_ids[2]]
    with pytest.raises(UndoRefused, match="nothing is kept"):
        take_back(world.con, run_ids[0], "u1")


def test_runs_are_kept_by_their_bytes(world: World) -> None:
    world.run()
    undo_log.set_keep_undo(world.con, "1kb")
    commit_many(world, "large", 50)
    assert undo.undoable(world.con) == []


def test_kept_for_no_run_there_is_nothing_that_a_later_run_could_make_untrue(world: World) -> None:
    world.run()
    undo_log.set_keep_undo(world.con, "0")
    world.run()
    assert [count(world.con, table) for table in (*undo_log.TABLES, "undo_run")] == [0] * 6


@pytest.mark.parametrize("keep", ["-1", "many", "5 runs", "1.5GB"])
def test_what_to_keep_is_a_number_or_a_size(world: World, keep: str) -> None:
    with pytest.raises(ParametersError, match="a number of runs"):
        undo_log.set_keep_undo(world.con, keep)


def test_what_is_purged_does_not_come_back(world: World) -> None:
    con, version = world.con, world.versions[0]
    commit_named(world, "first", "A", "B")
    undo_log_start(con, "second")
    rows = [planned(f"/p/{name}", None, action="deleted", embed=False) for name in "AB"]
    shard_writer.apply_plan(con, plan(*rows), "second", Lineup.of(version))
    finish(con, "second")
    undo_log.purge_undo(con, ["/p/A"], [content("A")])
    take_back(con, "second", "u1")
    assert build.column(con, "SELECT uri FROM source") == ["/p/B"]
    assert build.column(con, "SELECT content_hash FROM chunk") == [content("B")]


def test_an_undo_is_a_run_that_says_what_it_undid(world: World) -> None:
    run_id = world.run()
    take_back(world.con, run_id, "u1")
    latest = undo.undoable(world.con)[0]
    assert (latest.run_id, latest.flow, latest.undoes) == ("u1", "undo", run_id)


def undo_log_start(con: Any, run_id: str) -> None:
    from crossmodal.ledger.write import runs

    runs.start_run(con, start(con, run_id))


def finish(con: Any, run_id: str) -> None:
    from crossmodal.ledger.write import runs

    undo_log.settle(con, run_id)
    runs.finish_run(con, run_id, "completed", {}, "")


def commit_named(world: World, run_id: str, *names: str) -> None:
    undo_log_start(world.con, run_id)
    rows = [planned(f"/p/{name}", name) for name in names]
    commit(world.con, world.versions[0], *rows, run_id=run_id)
    finish(world.con, run_id)


def commit_many(world: World, run_id: str, number: int) -> None:
    commit_named(world, run_id, *(str(i) for i in range(number)))
