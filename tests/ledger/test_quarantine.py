from __future__ import annotations

from typing import Any

import pytest

from crossmodal.ledger.read.status import QuarantineRow, quarantine_rows
from crossmodal.ledger.read.verify import verify
from crossmodal.ledger.write import model_versions, shard_writer
from crossmodal.ledger.write import quarantine as refusals
from crossmodal.records import Lineup, ModelVersion, Rejected
from tests.ledger import build
from tests.ledger.build import commit, commit_refused, plan, planned


def rows(con: Any) -> dict[str, QuarantineRow]:
    return {row.uri: row for row in quarantine_rows(con, limit=100)}


def settle(con: Any, *planned_rows: dict[str, Any]) -> None:
    shard_writer.apply_plan(
        con, plan(*planned_rows), "run", Lineup.of(model_versions.by_id(con, 1))
    )


def unreadable(uri: str, **changes: Any) -> Rejected:
    return Rejected(uri, "plan", "unreadable", "Permission denied", **changes)


def test_a_refused_source_is_kept_with_its_reason_beside_those_that_passed(
    con: Any, model: ModelVersion
) -> None:
    good, bad = planned("/photos/a", "A"), planned("/photos/b", "B")
    shard = [build.vector_row(good, build.unit(1, 0, 0, 0)), build.refused_row(bad)]
    shard_writer.commit_shard(con, build.shard(model, plan(good, bad), shard))
    (row,) = rows(con).values()
    assert (row.uri, row.stage, row.reason, row.detail) == (
        "/photos/b",
        "decode",
        "truncated",
        "cut off",
    )
    assert (row.attempts, row.transient, row.size_bytes) == (1, False, 100)
    assert build.count(con, "source") == 2
    assert build.count(con, "vector_1_image") == 1
    assert verify(con, "run", Lineup.of(model)).problems == []


def test_attempts_are_counted_until_the_file_changes(con: Any, model: ModelVersion) -> None:
    for _ in range(3):
        commit_refused(con, model, planned("/photos/a", "A"))
    assert rows(con)["/photos/a"].attempts == 3
    commit_refused(con, model, planned("/photos/a", "A2", mtime_ns=9))
    assert rows(con)["/photos/a"].attempts == 1


def test_a_source_that_passes_at_last_leaves_quarantine(con: Any, model: ModelVersion) -> None:
    commit_refused(con, model, planned("/photos/a", "A"), planned("/photos/b", "B"))
    commit(con, model, planned("/photos/a", "A", action="retry"))
    assert rows(con).keys() == {"/photos/b"}


def test_a_mended_file_leaves_quarantine(con: Any, model: ModelVersion) -> None:
    commit_refused(con, model, planned("/photos/a", "broken"))
    commit(con, model, planned("/photos/a", "mended", action="changed"))
    assert rows(con) == {}


def test_a_broken_new_version_of_a_file_loses_the_old_vector(con: Any, model: ModelVersion) -> None:
    commit(con, model, planned("/photos/a", "A"))
    commit_refused(con, model, planned("/photos/a", "broken", action="changed"))
    settle(con)
    assert rows(con).keys() == {"/photos/a"}
    assert build.count(con, "chunk") == build.count(con, "vector_1_image") == 0
    assert verify(con, "run", Lineup.of(model)).problems == []


def test_what_one_model_version_refused_stays_when_another_accepts_it(
    con: Any, model: ModelVersion
) -> None:
    other = model_versions.register(con, build.version("other"))
    commit_refused(con, model, planned("/photos/a", "A"), stage="embed", reason="not_finite")
    commit(con, other, planned("/photos/a", "A"))
    assert rows(con)["/photos/a"].reason == "not_finite"
    commit(con, other, planned("/photos/a", "A2", action="changed"))
    assert rows(con) == {}


def test_copies_of_refused_content_get_rows_of_their_own(con: Any, model: ModelVersion) -> None:
    commit_refused(con, model, planned("/photos/a", "broken"))
    settle(con, planned("/photos/b", "broken", action="duplicate", embed=False, size_bytes=8))
    assert rows(con).keys() == {"/photos/a", "/photos/b"}
    assert rows(con)["/photos/b"].size_bytes == 8
    assert verify(con, "run", Lineup.of(model)).problems == []


@pytest.mark.parametrize(("stage", "transient"), [("read", True), ("decode", False)])
def test_a_copy_is_tried_again_where_only_reading_failed(
    con: Any, model: ModelVersion, stage: str, transient: bool
) -> None:
    commit_refused(con, model, planned("/photos/a", "A"), stage=stage, transient=False)
    settle(con, planned("/photos/b", "A", action="duplicate", embed=False))
    assert rows(con)["/photos/a"].transient is False
    assert rows(con)["/photos/b"].transient is transient


def test_a_copy_of_content_that_has_a_vector_is_not_quarantined(
    con: Any, model: ModelVersion
) -> None:
    other = model_versions.register(con, build.version("other"))
    commit(con, model, planned("/photos/a", "A"))
    commit_refused(con, other, planned("/photos/a", "A"))
    settle(con, planned("/photos/b", "A", action="duplicate", embed=False))
    assert rows(con).keys() == {"/photos/a"}


def test_a_renamed_refused_source_takes_its_row_along(con: Any, model: ModelVersion) -> None:
    commit_refused(con, model, planned("/photos/a", "broken"))
    settle(
        con,
        planned("/photos/z", "broken", action="renamed", previous_uri="/photos/a", embed=False),
    )
    assert rows(con).keys() == {"/photos/z"}
    assert rows(con)["/photos/z"].reason == "truncated"


def test_a_deleted_source_leaves_quarantine(con: Any, model: ModelVersion) -> None:
    commit_refused(con, model, planned("/photos/a", "broken"))
    settle(con, planned("/photos/a", None, action="deleted", embed=False))
    assert rows(con) == {}
    assert build.count(con, "source") == 0


def test_a_touched_refused_source_is_not_looked_at_again(con: Any, model: ModelVersion) -> None:
    commit_refused(con, model, planned("/photos/a", "broken"))
    settle(con, planned("/photos/a", "broken", action="unchanged", embed=False, mtime_ns=42))
    assert build.column(con, "SELECT mtime_ns FROM quarantine") == [42]


def test_a_refused_file_replaced_by_a_copy_of_a_good_one_leaves_quarantine(
    con: Any, model: ModelVersion
) -> None:
    commit(con, model, planned("/photos/good", "A"))
    commit_refused(con, model, planned("/photos/a", "broken"))
    settle(con, planned("/photos/a", "A", action="changed", embed=False))
    assert rows(con) == {}


def test_what_planning_refused_is_kept_and_counted(con: Any, model: ModelVersion) -> None:
    for _ in range(2):
        shard_writer.quarantine(con, "run", [unreadable("/photos/a", size_bytes=5)], model.id)
    shard_writer.quarantine(con, "run", [], None)
    assert rows(con)["/photos/a"].attempts == 2
    assert rows(con)["/photos/a"].detail == "Permission denied"


def test_a_file_that_became_readable_and_is_a_copy_leaves_quarantine(
    con: Any, model: ModelVersion
) -> None:
    commit(con, model, planned("/photos/a", "A"))
    shard_writer.quarantine(con, "run", [unreadable("/photos/b")], None)
    settle(con, planned("/photos/b", "A", action="duplicate", embed=False))
    assert rows(con) == {}


def test_a_folder_that_can_be_listed_again_leaves_quarantine(con: Any, model: ModelVersion) -> None:
    shut = [
        Rejected(uri, "discover", "unreadable_folder", "Permission denied")
        for uri in ("/photos/shut", "/photos/still shut", "/photos2/shut", "/other/shut")
    ]
    shard_writer.quarantine(con, "earlier", [*shut, unreadable("/photos/file")], None)
    shard_writer.quarantine(con, "run", [shut[1]], None)
    refusals.clear_recovered(con, "run", ["/photos/", "/nothing"])
    assert rows(con).keys() == {
        "/photos/file",
        "/photos/still shut",
        "/photos2/shut",
        "/other/shut",
    }


def test_the_list_is_limited_and_can_be_narrowed_to_a_reason(con: Any, model: ModelVersion) -> None:
    commit_refused(con, model, *(planned(f"/photos/{i}", str(i)) for i in range(5)))
    shard_writer.quarantine(con, "run", [unreadable("/photos/x")], None)
    assert len(quarantine_rows(con, limit=3)) == 3
    assert [row.uri for row in quarantine_rows(con, 10, "unreadable")] == ["/photos/x"]
    assert quarantine_rows(con, 10, "no such reason") == []
