"""What a run will do to each source and why: one test a rule, over a real collection."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from crossmodal.records import PLAN_SCHEMA, Action
from crossmodal.sources.planning import temp_tables
from crossmodal.sources.planning.judge import preview, write_shards
from tests.sources.world import PNG, World, version

LATER_S = 2_000_000_000


def test_new_sources_are_added_and_embedded(world: World) -> None:
    for name in ("a.png", "b.png"):
        world.put(name)
    planned = world.plan()
    assert planned.actions == {"a.png": "added", "b.png": "added"}
    assert planned.table.schema == PLAN_SCHEMA
    assert planned.summary.counts == {"added": 2}
    assert planned.summary.num_to_embed == 2
    assert planned.summary.bytes_to_embed == 2 * (len(PNG) + 5)
    assert not world.collection.exists, "planning writes nothing"


@pytest.mark.parametrize("is_known", [False, True])
def test_plan_that_does_not_fit_its_bound_is_made_all_the_same(
    world: World, is_known: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(50):
        world.put(f"{number}.png")
    if is_known:
        world.run()
        for number in range(25):
            world.put(f"{number}.png", "changed", mtime_s=LATER_S)
    roomy = world.plan()
    monkeypatch.setattr(temp_tables, "_LEAST_BYTES", 1_000_000)
    tight = world.plan()
    assert tight.table.equals(roomy.table)
    assert tight.summary == roomy.summary
    assert not Path(".tmp").exists(), "nothing is spilled to where the command was started"
    if is_known:
        with world.collection.read() as con:
            [(bound,)] = con.execute("SELECT current_setting('memory_limit')").fetchall()
        assert "GiB" in bound, "the bound is the plan's alone"


def test_run_with_nothing_to_do_reads_and_plans_nothing(world: World) -> None:
    for name in ("a.png", "b.png", "BAD.png"):
        world.put(name)
    (world.folder / "notes.csv").write_text("a,b\n")
    world.run()
    planned = world.run()
    assert (planned.num_read, planned.rows) == (0, {})
    assert planned.summary.counts == {"unchanged": 4}
    assert planned.summary.num_found == 4


def test_touched_source_is_read_once_and_not_embedded(world: World) -> None:
    world.put("a.png")
    world.run()
    world.put("a.png", mtime_s=LATER_S)
    planned = world.run()
    assert planned.rows["a.png"]["reason"] == "touched, same content"
    assert (planned.actions, planned.embedded) == ({"a.png": "unchanged"}, set())
    assert planned.summary.counts == {"unchanged": 1}
    assert world.plan().num_read == 0


def test_changed_source_is_embedded_alone(world: World) -> None:
    for name in ("a.png", "b.png", "c.png"):
        world.put(name)
    world.run()
    world.put("b.png", "another picture")
    planned = world.run()
    assert (planned.actions, planned.embedded) == ({"b.png": "changed"}, {"b.png"})
    assert planned.rows["b.png"]["reason"] == "content changed"
    assert planned.summary.counts == {"changed": 1, "unchanged": 2}
    assert world.column("SELECT count(*) FROM vector_1_image") == [3]


def test_size_and_time_of_the_plan_are_those_of_what_was_read(world: World) -> None:
    path = world.put("a.png", mtime_s=LATER_S)
    row = world.plan().rows["a.png"]
    assert (row["size_bytes"], row["mtime_ns"]) == (path.stat().st_size, LATER_S * 10**9)


def test_renamed_source_keeps_its_vector(world: World) -> None:
    old = world.put("a.png")
    world.put("b.png")
    world.run()
    old.rename(world.folder / "z.png")
    planned = world.run()
    assert planned.actions == {"z.png": "renamed"}
    assert planned.rows["z.png"]["previous_uri"] == str(old)
    assert planned.embedded == set()
    assert world.column("SELECT uri FROM source ORDER BY uri") == [
        str(world.folder / "b.png"),
        str(world.folder / "z.png"),
    ]
    assert world.run().summary.counts == {"unchanged": 2}


def test_renaming_a_whole_folder_is_no_loss(world: World) -> None:
    for number in range(20):
        world.put(f"old/{number}.png")
    world.run()
    (world.folder / "old").rename(world.folder / "new")
    planned = world.run()
    assert planned.summary.counts == {"renamed": 20}
    assert planned.summary.withheld == []


def test_each_vanished_copy_makes_at_most_one_rename(world: World) -> None:
    for name in ("a.png", "b.png"):
        world.put(name, "same")
    world.run()
    for name in ("a.png", "b.png"):
        (world.folder / name).unlink()
    for name in ("x.png", "y.png", "z.png"):
        world.put(name, "same")
    planned = world.run()
    assert planned.summary.counts == {"renamed": 2, "duplicate": 1}
    assert {row["previous_uri"] for row in planned.rows.values()} == {
        str(world.folder / "a.png"),
        str(world.folder / "b.png"),
        None,
    }


def test_copy_of_known_content_is_a_duplicate(world: World) -> None:
    original = world.put("b.png")
    world.run()
    world.put("a_copy.png", "b.png")
    planned = world.run()
    assert (planned.actions, planned.embedded) == ({"a_copy.png": "duplicate"}, set())
    assert planned.rows["a_copy.png"]["reason"] == f"same content as {original}"
    assert world.column("SELECT count(*) FROM chunk") == [1]


def test_new_content_in_several_places_is_embedded_once(world: World) -> None:
    for name in ("c.png", "a.png", "b.png"):
        world.put(name, "same")
    planned = world.run()
    assert planned.actions == {"a.png": "added", "b.png": "duplicate", "c.png": "duplicate"}
    assert planned.embedded == {"a.png"}
    assert planned.rows["c.png"]["reason"] == f"same content as {world.folder / 'a.png'}"


def test_exchanged_names_are_changes_without_a_forward_pass(world: World) -> None:
    first, second = world.put("a.png"), world.put("b.png", "longer than the first")
    world.run()
    spare = world.folder / "spare"
    first.rename(spare)
    second.rename(first)
    spare.rename(second)
    planned = world.run()
    assert planned.actions == {"a.png": "changed", "b.png": "changed"}
    assert planned.embedded == set()
    assert world.column("SELECT count(*) FROM vector_1_image") == [2]


def test_backup_beside_a_rewritten_file_keeps_the_old_vector(world: World) -> None:
    path = world.put("a.png")
    world.run()
    path.rename(world.folder / "a.bak")
    world.put("a.png", "the new version")
    planned = world.run()
    assert planned.actions == {"a.bak": "duplicate", "a.png": "changed"}
    assert planned.embedded == {"a.png"}
    assert world.column("SELECT count(*) FROM vector_1_image") == [2]


def test_deleted_source_is_deleted(world: World) -> None:
    world.put("a.png")
    gone = world.put("b.png")
    world.run()
    gone.unlink()
    planned = world.run()
    assert planned.actions == {"b.png": "deleted"}
    assert planned.rows["b.png"]["content_hash"] is None
    assert world.column("SELECT count(*) FROM vector_1_image") == [1]


def test_media_type_without_chunker_is_skipped_and_then_known(world: World) -> None:
    notes = world.folder / "notes.csv"
    notes.write_text("a,b\n")
    planned = world.run()
    assert planned.rows["notes.csv"]["reason"] == "no chunker for text/csv"
    assert (planned.summary.counts, planned.embedded) == ({"skipped": 1}, set())
    assert world.run().summary.counts == {"unchanged": 1}
    notes.unlink()
    assert world.run().summary.counts == {"deleted": 1}


def test_plan_notes_the_chunker_in_charge_and_its_modality(world: World) -> None:
    world.put("a.png")
    (world.folder / "notes.csv").write_text("a,b\n")
    rows = world.plan().rows
    assert (rows["a.png"]["chunker"], rows["a.png"]["modality"]) == ("whole/1", "image")
    assert (rows["notes.csv"]["chunker"], rows["notes.csv"]["modality"]) == (None, None)


def test_skipped_source_is_added_once_there_is_a_chunker_for_it(world: World) -> None:
    (world.folder / "notes.csv").write_text("a,b\n")
    world.run()
    world.chunkers["text/csv"] = "rows/1"
    planned = world.plan()
    assert planned.actions == {"notes.csv": "added"}
    assert planned.rows["notes.csv"]["reason"] == "first chunker for text/csv"
    assert planned.embedded == {"notes.csv"}


def test_picture_that_became_something_else_loses_its_vector(world: World) -> None:
    path = world.put("a.png")
    world.run()
    path.write_bytes(b"%PDF-1.7\n")
    planned = world.run()
    assert planned.rows["a.png"]["reason"] == "no chunker for application/pdf"
    assert world.column("SELECT count(*) FROM chunk") == [0]


def test_new_model_version_embeds_all_content_once_without_planning_reads(world: World) -> None:
    for name in ("a.png", "b.png"):
        world.put(name)
    world.put("c.png", "b.png")
    world.run()
    world.model = version("other")
    planned = world.run()
    assert planned.num_read == 0
    assert planned.summary.counts == {"changed": 3}
    assert planned.embedded == {"a.png", "b.png"}
    assert world.run().summary.counts == {"unchanged": 3}
    world.model = version("tiny")
    assert world.run().summary.counts == {"unchanged": 3}


def test_missing_vectors_name_the_model_version(world: World) -> None:
    world.put("a.png")
    world.run()
    with world.collection.write() as con:
        con.execute("DELETE FROM vector_1_image")
    planned = world.run()
    assert planned.rows["a.png"]["reason"] == "no vector under tiny@tiny0000/float32"
    assert planned.embedded == {"a.png"}


def test_new_chunker_embeds_again(world: World) -> None:
    world.put("a.png")
    world.run()
    world.chunkers["image/*"] = "tiles/2"
    planned = world.run()
    assert planned.rows["a.png"]["reason"] == "chunker changed to tiles/2"
    assert (planned.num_read, planned.embedded) == (0, {"a.png"})
    assert world.column("SELECT chunker FROM chunk") == ["tiles/2"]
    assert world.run().summary.counts == {"unchanged": 1}


def test_refused_content_is_retried_only_on_request(world: World) -> None:
    world.put("a.png", "BAD")
    world.run()
    assert world.run().summary.counts == {"unchanged": 1}
    planned = world.run(retry_failed=True)
    assert planned.actions == {"a.png": "retry"}
    assert planned.rows["a.png"]["reason"] == "truncated, attempt 2"
    assert planned.embedded == {"a.png"}
    assert world.column("SELECT attempts FROM quarantine") == [2]


def test_passing_failure_is_retried_three_times_in_all(world: World) -> None:
    world.put("a.png", "BAD LINE")
    actions = [world.run().actions for _ in range(4)]
    assert actions == [{"a.png": "added"}, {"a.png": "retry"}, {"a.png": "retry"}, {}]


def test_what_took_too_long_is_tried_again_once(world: World) -> None:
    world.put("a.png", "BAD TIME")
    actions = [world.run().actions for _ in range(3)]
    assert actions == [{"a.png": "added"}, {"a.png": "retry"}, {}]


def test_copy_of_refused_content_is_quarantined_without_a_forward_pass(world: World) -> None:
    world.put("a.png", "BAD")
    world.run()
    world.put("b.png", "BAD")
    planned = world.run()
    assert (planned.actions, planned.embedded) == ({"b.png": "duplicate"}, set())
    assert world.column("SELECT reason FROM quarantine") == ["truncated", "truncated"]
    assert world.run().summary.counts == {"unchanged": 2}


def test_mended_file_leaves_quarantine(world: World) -> None:
    world.put("a.png", "BAD")
    world.run()
    world.put("a.png", "whole again")
    assert world.run().embedded == {"a.png"}
    assert world.column("SELECT count(*) FROM quarantine") == [0]


def test_what_one_model_refused_another_may_take(world: World) -> None:
    world.put("a.png", "BAD")
    world.run()
    world.model = version("other")
    assert world.plan().embedded == {"a.png"}


def test_source_without_a_time_is_always_read(world: World) -> None:
    world.put("a.png", "one", mtime_s=0)
    world.run()
    world.put("a.png", "two", mtime_s=0)
    assert world.run().actions == {"a.png": "changed"}


def test_unreadable_file_is_refused_and_looked_at_again(
    world: World, bound_by_modes: Callable[[], None]
) -> None:
    path = world.put("a.png")
    path.chmod(0)
    bound_by_modes()
    for _ in range(2):
        planned = world.run()
        assert (planned.rows, planned.num_read) == ({}, 1)
        assert [refusal.reason for refusal in planned.summary.rejected] == ["unreadable"]
    path.chmod(0o644)
    assert world.run().embedded == {"a.png"}
    assert world.column("SELECT count(*) FROM quarantine") == [0]


def test_known_file_that_cannot_be_read_any_more_keeps_its_vector_and_is_not_planned(
    world: World, bound_by_modes: Callable[[], None]
) -> None:
    path = world.put("a.png")
    world.run()
    world.put("a.png", "changed").chmod(0)
    bound_by_modes()
    world.model = version("other")
    assert world.plan().rows == {}
    world.model = version()
    assert world.run().rows == {}
    assert world.column("SELECT count(*) FROM vector_1_image") == [1]
    path.chmod(0o644)
    assert world.run().embedded == {"a.png"}


def test_link_whose_target_is_reachable_again_leaves_quarantine(
    world: World, bound_by_modes: Callable[[], None]
) -> None:
    elsewhere = world.home / "elsewhere"
    elsewhere.mkdir()
    world.put("a.png").rename(elsewhere / "a.png")
    (world.folder / "link.png").symlink_to(elsewhere / "a.png")
    world.run()
    elsewhere.chmod(0)
    bound_by_modes()
    assert world.run().rows == {}
    assert world.column("SELECT reason FROM quarantine") == ["unreadable"]
    elsewhere.chmod(0o755)
    assert world.run().embedded == set()
    assert world.column("SELECT count(*) FROM quarantine") == [0]


def test_plan_is_in_order_of_uri_and_previewed_from_its_start(world: World, tmp_path: Path) -> None:
    for name in ("c.png", "a.png", "b.png"):
        world.put(name)
    pq.write_table(world.plan().table, tmp_path / "plan")
    shown = [Path(row["uri"]).name for row in preview(tmp_path / "plan", 2)]
    assert shown == ["a.png", "b.png"]
    pq.write_table(PLAN_SCHEMA.empty_table(), tmp_path / "plan")
    assert preview(tmp_path / "plan", 2) == []


@pytest.mark.parametrize(("num_due", "sizes"), [(0, []), (4, [4]), (5, [4, 1]), (9, [4, 4, 1])])
def test_shards_hold_the_rows_to_embed_and_nothing_else(
    num_due: int, sizes: list[int], tmp_path: Path
) -> None:
    rows = [
        {
            "uri": f"/{number:02}",
            "root": "/",
            "size_bytes": 1,
            "mtime_ns": 1,
            "action": Action.ADDED if number < num_due else Action.SKIPPED,
            "reason": "",
            "embed": number < num_due,
        }
        for number in range(12)
    ]
    table = PLAN_SCHEMA.empty_table().from_pylist(rows[::-1], PLAN_SCHEMA)
    pq.write_table(table, tmp_path / "plan", row_group_size=5)
    assert write_shards(tmp_path / "plan", tmp_path / "shards", 4) == len(sizes)
    shards = pq.ParquetFile(tmp_path / "shards")
    assert [shards.metadata.row_group(i).num_rows for i in range(len(sizes))] == sizes
    due = [f"/{number:02}" for number in reversed(range(num_due))]
    assert shards.read()["uri"].to_pylist() == due
