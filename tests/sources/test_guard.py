"""What may be deleted: what was looked for and missed, in a root that is there and not empty."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

import pytest

from crossmodal.errors import PathError
from tests.sources.world import World


@pytest.fixture
def twenty(world: World) -> World:
    """Return a world whose twenty sources have been indexed."""
    for number in range(20):
        world.put(f"{number:02}.png")
    world.run()
    return world


def remove(world: World, count: int) -> None:
    for number in range(count):
        (world.folder / f"{number:02}.png").unlink()


def test_half_of_a_root_may_go(twenty: World) -> None:
    remove(twenty, 10)
    planned = twenty.run()
    assert planned.summary.counts == {"deleted": 10, "unchanged": 10}
    assert planned.summary.withheld == []


def test_more_than_half_is_withheld_until_told(twenty: World) -> None:
    remove(twenty, 11)
    planned = twenty.run()
    assert planned.summary.counts == {"unchanged": 9}
    [sentence] = planned.summary.withheld
    assert str(twenty.folder) in sentence
    assert "11 of its 20" in sentence
    assert "--allow-delete" in sentence
    assert twenty.column("SELECT count(*) FROM vector_1_image") == [20]
    assert twenty.run(allow_delete=True).summary.counts == {"deleted": 11, "unchanged": 9}


def test_share_and_size_of_the_guard_can_be_set(twenty: World) -> None:
    remove(twenty, 5)
    assert twenty.plan(max_delete_fraction=0.2).summary.withheld
    assert not twenty.plan(max_delete_fraction=0.2, min_known_for_guard=21).summary.withheld


def test_small_root_may_be_emptied(world: World) -> None:
    for name in ("a.png", "b.png"):
        world.put(name)
    world.run()
    for path in world.folder.iterdir():
        path.unlink()
    assert world.run().summary.counts == {"deleted": 2}


def test_missing_root_deletes_nothing_however_small(world: World) -> None:
    world.put("a.png")
    world.run()
    world.folder.rename(world.home / "unmounted")
    planned = world.run()
    assert planned.summary.counts == {}
    assert "is missing" in planned.summary.withheld[0]
    assert world.run(allow_delete=True).summary.counts == {"deleted": 1}


def test_copy_elsewhere_is_no_rename_while_its_root_is_missing(world: World) -> None:
    world.put("a.png")
    world.run()
    other = world.home / "other"
    world.folder.rename(other)
    planned = world.run(world.folder, other)
    assert planned.actions == {"a.png": "duplicate"}
    assert world.column("SELECT count(*) FROM source") == [2]


def test_root_that_was_never_known_is_an_error(world: World) -> None:
    world.put("a.png")
    world.run()
    with pytest.raises(PathError, match="nowhere"):
        world.plan(world.folder, world.home / "nowhere")


def test_source_outside_the_roots_of_a_run_is_left_alone(world: World) -> None:
    world.put("2023/a.png")
    world.put("2023_extra/b.png")
    world.run()
    shutil.rmtree(world.folder / "2023_extra")
    planned = world.run(world.folder / "2023")
    assert planned.summary.counts == {"unchanged": 1}
    assert world.run(world.folder).summary.counts == {"deleted": 1, "unchanged": 1}


def test_single_file_is_its_own_scope(world: World) -> None:
    first, second = world.put("a.png"), world.put("b.png")
    world.run(first, second)
    second.unlink()
    assert world.run(first).summary.counts == {"unchanged": 1}
    assert "is missing" in world.run(first, second).summary.withheld[0]


def test_glob_deletes_only_what_it_brought(world: World) -> None:
    world.put("a.png")
    world.put("b.png")
    world.put("c.gif")
    world.run(world.folder / "*.png")
    world.run(world.folder / "c.gif")
    for name in ("b.png", "c.gif"):
        (world.folder / name).unlink()
    world.put("d.gif")
    assert world.run(world.folder / "*.gif").summary.counts == {"added": 1}
    assert world.run(world.folder / "*.png").actions == {"b.png": "deleted"}
    assert world.run(world.folder).actions == {"c.gif": "deleted"}


def test_glob_that_matches_nothing_is_refused_until_it_has_brought_something(world: World) -> None:
    world.put("a.png")
    with pytest.raises(PathError, match="nothing at"):
        world.run(world.folder / "*.gif")
    world.run(world.folder / "*.png")
    (world.folder / "a.png").unlink()
    assert world.run(world.folder / "*.png").summary.counts == {"deleted": 1}


def test_hidden_sources_are_not_taken_for_deleted_by_a_run_that_does_not_look(
    world: World,
) -> None:
    world.put("a.png")
    world.put(".private/b.png")
    world.run(hidden=True)
    assert world.run().summary.counts == {"unchanged": 1}
    (world.folder / ".private" / "b.png").unlink()
    assert world.run(hidden=True).summary.counts == {"deleted": 1, "unchanged": 1}


def test_nothing_below_an_unreadable_folder_is_deleted(
    world: World, bound_by_modes: Callable[[], None]
) -> None:
    world.put("a.png")
    world.put("locked/b.png")
    world.put("locked_not/c.png")
    world.run()
    (world.folder / "locked_not" / "c.png").unlink()
    (world.folder / "locked").chmod(0)
    bound_by_modes()
    planned = world.run()
    assert planned.actions == {"c.png": "deleted"}
    assert [refusal.reason for refusal in planned.summary.rejected] == ["unreadable_folder"]
    assert world.column("SELECT uri FROM quarantine") == [str(world.folder / "locked")]
    (world.folder / "locked").chmod(0o755)
    reopened = world.run()
    assert reopened.rows["locked"]["reason"] == "no longer refused"
    assert world.column("SELECT count(*) FROM quarantine") == [0]
    assert world.column("SELECT count(*) FROM vector_1_image") == [2]


def test_file_with_a_forbidden_name_stays_in_quarantine_until_it_is_renamed(
    world: World,
) -> None:
    forbidden = os.fsencode(world.folder) + b"/caf\xe9.png"
    with open(forbidden, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\nx")
    for _ in range(2):
        assert world.run().rows == {}
        assert world.column("SELECT reason FROM quarantine") == ["undecodable_name"]
    os.rename(forbidden, world.folder / "café.png")
    world.run()
    assert world.column("SELECT count(*) FROM quarantine") == [0]
    assert world.column("SELECT count(*) FROM vector_1_image") == [1]


def test_overlapping_roots_delete_only_what_neither_withholds(twenty: World) -> None:
    for number in range(12):
        twenty.put(f"sub/{number}.png")
    twenty.run()
    shutil.rmtree(twenty.folder / "sub")
    (twenty.folder / "sub").mkdir()
    remove(twenty, 1)
    planned = twenty.run(twenty.folder, twenty.folder / "sub")
    assert planned.actions == {"00.png": "deleted"}
    assert len(planned.summary.withheld) == 1
