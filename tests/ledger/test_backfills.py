"""The ledger of backfills tells the truth, whoever did the work and however it ended."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossmodal.errors import CollectionError
from crossmodal.ledger.backfill_records import Backfill, PartitionCount
from crossmodal.ledger.write import backfills, runs
from crossmodal.records import PLAN_SCHEMA, Lineup, ModelVersion
from tests.ledger import build

SPEC = {"roots": ["/photos"], "partition_by": "prefix", "model": "tiny"}


@pytest.fixture
def backfill(tmp_path: Path) -> Backfill:
    """Return a backfill of /photos/a (three sources) and /photos/b (one)."""
    uris = {"/photos/a/1": "a", "/photos/a/2": "a", "/photos/a/3": "a", "/photos/b/1": "b"}
    rows = [build.planned(uri, uri) for uri in uris]
    names = [{"uri": uri, "name": name} for uri, name in uris.items()]
    pq.write_table(pa.Table.from_pylist(rows, schema=PLAN_SCHEMA), tmp_path / "plan.parquet")
    pq.write_table(pa.Table.from_pylist(names), tmp_path / "names.parquet")
    return Backfill(
        id=backfills.backfill_id(SPEC),
        spec=SPEC,
        names=tmp_path / "names.parquet",
        plan=tmp_path / "plan.parquet",
        chunkers=("whole/1",),
    )


def planned(*uris: str) -> list[dict[str, Any]]:
    return [build.planned(uri, uri) for uri in uris]


def counted(con: Any, backfill: Backfill, model: ModelVersion) -> dict[str, PartitionCount]:
    return {count.name: count for count in backfills.count(con, backfill, Lineup.of(model))}


def enter(con: Any, backfill: Backfill, model: ModelVersion, run_id: str = "run") -> Backfill:
    known = replace(backfill, counts=tuple(backfills.count(con, backfill, Lineup.of(model))))
    backfills.enter(con, known, run_id)
    return known


def states(con: Any, backfill: Backfill) -> dict[str, str]:
    return {record.name: record.state for record in backfills.partitions(con, backfill.id)}


def start_run(con: Any, run_id: str) -> None:
    start = runs.RunStart(run_id=run_id, flow="backfill", params={}, code_version="0")
    runs.start_run(con, start)


def test_before_anything_is_embedded_all_is_due(
    con: Any, model: ModelVersion, backfill: Backfill
) -> None:
    a = counted(con, backfill, model)["a"]
    assert (a.num_planned, a.num_done, a.num_failed, a.num_due, a.bytes_due) == (3, 0, 0, 3, 300)
    assert a.state == "pending"


def test_model_that_is_not_registered_has_no_vectors(con: Any, backfill: Backfill) -> None:
    assert [
        count.num_done for count in backfills.count(con, backfill, Lineup.of(build.version()))
    ] == [0, 0]


def test_done_and_failed_are_counted_from_vectors_and_quarantine(
    con: Any, model: ModelVersion, backfill: Backfill
) -> None:
    build.commit(con, model, *planned("/photos/a/1", "/photos/a/2"))
    build.commit_refused(con, model, *planned("/photos/a/3"))
    a = counted(con, backfill, model)["a"]
    assert (a.num_done, a.num_failed, a.num_vectors, a.state) == (2, 1, 2, "failed")


def test_work_of_any_other_run_counts_as_done(
    con: Any, model: ModelVersion, backfill: Backfill
) -> None:
    build.commit(con, model, *planned("/photos/b/1"), run_id="nightly")
    assert counted(con, backfill, model)["b"].state == "done"


def test_vectors_of_another_chunker_do_not_count(
    con: Any, model: ModelVersion, backfill: Backfill
) -> None:
    build.commit(con, model, *planned("/photos/b/1"))
    other = replace(backfill, chunkers=("whole/2",))
    assert counted(con, other, model)["b"].num_done == 0


def test_copies_are_each_done_but_share_one_vector(
    con: Any, model: ModelVersion, backfill: Backfill
) -> None:
    rows = [build.planned(f"/photos/a/{n}", "same") for n in (1, 2, 3)]
    pq.write_table(pa.Table.from_pylist(rows, schema=PLAN_SCHEMA), backfill.plan)
    build.commit(con, model, rows[0])
    a = counted(con, backfill, model)["a"]
    assert (a.num_planned, a.num_done, a.num_vectors) == (3, 3, 1)


def test_media_type_without_a_chunker_is_not_planned(
    con: Any, model: ModelVersion, backfill: Backfill
) -> None:
    skipped = build.planned("/photos/b/1", None, action="skipped", embed=False)
    pq.write_table(pa.Table.from_pylist([skipped], schema=PLAN_SCHEMA), backfill.plan)
    assert "b" not in counted(con, backfill, model)


def test_entering_the_same_backfill_again_adds_no_row(
    con: Any, model: ModelVersion, backfill: Backfill
) -> None:
    enter(con, backfill, model)
    enter(con, backfill, model)
    assert build.count(con, "backfill") == 1
    assert states(con, backfill) == {"a": "pending", "b": "pending"}


def test_partition_goes_from_running_to_done_and_adds_up_its_time(
    con: Any, model: ModelVersion, backfill: Backfill
) -> None:
    enter(con, backfill, model)
    for _ in range(2):
        backfills.start(con, backfill, "b", "run")
        assert states(con, backfill)["b"] == "running"
        build.commit(con, model, *planned("/photos/b/1"))
        [count] = backfills.count(con, backfill, Lineup.of(model), "b")
        backfills.finish(con, backfill, count, wall_s=1.5)
    record = backfills.partitions(con, backfill.id)[1]
    assert (record.name, record.state, record.num_done, record.wall_s) == ("b", "done", 1, 3.0)
    assert record.started_s <= record.finished_s


def test_partition_whose_run_has_ended_is_pending_again(
    con: Any, model: ModelVersion, backfill: Backfill
) -> None:
    enter(con, backfill, model)
    backfills.start(con, backfill, "a", "run")
    runs.finish_run(con, "run", "interrupted", {}, "killed")
    assert states(con, backfill)["a"] == "pending"
    start_run(con, "next")
    enter(con, backfill, model, "next")
    assert build.column(con, "SELECT state FROM backfill_partition WHERE name = 'a'") == ["pending"]


def test_partition_that_a_living_run_works_on_is_left_to_it(
    con: Any, model: ModelVersion, backfill: Backfill
) -> None:
    enter(con, backfill, model)
    backfills.start(con, backfill, "a", "run")
    start_run(con, "other")
    enter(con, backfill, model, "other")
    assert states(con, backfill) == {"a": "running", "b": "pending"}


def test_list_of_backfills_sums_up_their_partitions(
    con: Any, model: ModelVersion, backfill: Backfill
) -> None:
    build.commit(con, model, *planned("/photos/b/1"))
    enter(con, backfill, model)
    [found] = backfills.all_backfills(con)
    assert (found.backfill_id, found.spec) == (backfill.id, SPEC)
    assert (found.num_partitions, found.num_partitions_done) == (2, 1)
    assert (found.num_planned, found.num_done, found.num_failed) == (4, 1, 0)


def test_id_depends_on_the_request_not_on_the_order_of_its_keys() -> None:
    assert backfills.backfill_id({"a": 1, "b": 2}) == backfills.backfill_id({"b": 2, "a": 1})
    assert backfills.backfill_id({"a": 1}) != backfills.backfill_id({"a": 2})


def test_backfill_is_found_by_the_beginning_of_its_id(
    con: Any, model: ModelVersion, backfill: Backfill
) -> None:
    enter(con, backfill, model)
    assert backfills.find(con, backfill.id[:4]).backfill_id == backfill.id
    with pytest.raises(CollectionError, match=f"'zz' is no backfill .* there are {backfill.id}"):
        backfills.find(con, "zz")
    enter(con, replace(backfill, id=backfill.id[:4] + "0"), model)
    with pytest.raises(CollectionError, match="is more than one backfill"):
        backfills.find(con, backfill.id[:4])
