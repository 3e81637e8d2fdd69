"""What a backfill is about: which sources, in which partitions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from crossmodal.errors import PathError
from crossmodal.sources.listing.listing import list_sources
from crossmodal.sources.options import ListOptions, Selection
from crossmodal.sources.partitions.selection import Selected, select
from tests.sources.world import World

Select = Callable[..., Selected]


@pytest.fixture
def selected(world: World) -> Select:
    """Return a function that selects from the world's folder, or from the paths given."""
    (world.home / "work").mkdir()

    def find(*paths: Any, **wanted: Any) -> Selected:
        work = world.home / "work"
        given = [str(path) for path in paths or (world.folder,)]
        listing = list_sources(given, work / "manifest.parquet", ListOptions())
        if not world.collection.exists:
            return select(None, listing, work, Selection(**wanted))
        with world.collection.read() as con:
            return select(con, listing, work, Selection(**wanted))

    return find


def partitions(found: Selected) -> dict[str, str]:
    """Return the partition of each source, by file name."""
    rows = pq.read_table(found.names).to_pylist()
    return {Path(row["uri"]).name: row["name"] for row in rows}


def noon(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, 12, tzinfo=UTC).timestamp())


def test_prefix_is_the_first_folder_below_each_path(world: World, selected: Select) -> None:
    for name in ("a/1.png", "a/deep/2.png", "b/3.png", "4.png"):
        world.put(name)
    folder = world.folder
    assert partitions(selected()) == {
        "1.png": f"{folder}/a",
        "2.png": f"{folder}/a",
        "3.png": f"{folder}/b",
        "4.png": f"{folder}",
    }


@pytest.mark.parametrize(("depth", "expected"), [(0, ""), (1, "/a"), (2, "/a/b"), (9, "/a/b/c")])
def test_depth_says_how_many_folders_make_a_prefix(
    world: World, selected: Select, depth: int, expected: str
) -> None:
    world.put("a/b/c/1.png")
    assert partitions(selected(depth=depth)) == {"1.png": f"{world.folder}{expected}"}


def test_single_file_is_in_the_partition_of_its_folder(world: World, selected: Select) -> None:
    file = world.put("a/1.png")
    assert partitions(selected(file)) == {"1.png": f"{world.folder}/a"}


def test_prefix_of_a_glob_begins_at_its_first_wildcard(world: World, selected: Select) -> None:
    world.put("a/x/1.png")
    assert partitions(selected(f"{world.folder}/**/*.png")) == {"1.png": f"{world.folder}/a"}


def test_names_with_quotes_brackets_and_unicode_are_only_names(
    world: World, selected: Select
) -> None:
    world.put("it's [1]%/🦊 ä/1.png")
    assert partitions(selected(depth=2)) == {"1.png": f"{world.folder}/it's [1]%/🦊 ä"}


@pytest.mark.parametrize(
    ("by", "expected"), [("day", "2024-02-29"), ("month", "2024-02"), ("year", "2024")]
)
def test_date_is_the_files_own_in_utc(
    world: World, selected: Select, by: str, expected: str
) -> None:
    world.put("1.png", mtime_s=noon(2024, 2, 29))
    assert partitions(selected(partition_by=by)) == {"1.png": expected}


def test_since_and_until_take_in_the_whole_of_both_days(world: World, selected: Select) -> None:
    for day in (1, 2, 3, 4):
        world.put(f"{day}.png", mtime_s=noon(2024, 5, day))
    midnight = int(datetime(2024, 5, 2, tzinfo=UTC).timestamp())
    world.put("first_second.png", mtime_s=midnight)
    world.put("last_second_before.png", mtime_s=midnight - 1)
    found = selected(since=date(2024, 5, 2), until=date(2024, 5, 3))
    assert set(partitions(found)) == {"2.png", "3.png", "first_second.png"}
    assert found.listing.num_found == 3


def test_source_without_a_time_is_undated_and_in_no_range_of_days(
    world: World, selected: Select
) -> None:
    world.put("1.png", mtime_s=0)
    assert partitions(selected(partition_by="day")) == {"1.png": "undated"}
    assert partitions(selected(until=date(2024, 1, 1))) == {}


def test_list_narrows_down_and_tells_what_it_could_not_find(world: World, selected: Select) -> None:
    files = [world.put(f"{number}.png") for number in range(3)]
    wanted = world.home / "wanted.txt"
    wanted.write_text(f"{files[0]}\n\n  {files[2]}  \r\n/nowhere/9.png\n")
    found = selected(listed=str(wanted))
    assert set(partitions(found)) == {"0.png", "2.png"}
    assert found.notices[0].startswith("1 of 3 listed sources are not below the given paths")


@pytest.mark.parametrize("content", [None, b"", b"\n \n", b"\xff\xfe\x00"])
def test_list_that_says_nothing_is_an_error(
    world: World, selected: Select, content: bytes | None
) -> None:
    world.put("1.png")
    wanted = world.home / "wanted.txt"
    if content is not None:
        wanted.write_bytes(content)
    with pytest.raises(PathError, match=r"wanted\.txt .*path or URL on each line"):
        selected(listed=str(wanted))


def test_only_failed_selects_what_is_in_quarantine(world: World, selected: Select) -> None:
    world.put("good.png")
    world.put("bad.png", "BAD")
    world.run()
    assert set(partitions(selected(only_failed=True))) == {"bad.png"}


def test_only_the_partitions_asked_for_are_selected(world: World, selected: Select) -> None:
    world.put("a/1.png")
    world.put("b/2.png")
    assert set(partitions(selected(partitions=(f"{world.folder}/b",)))) == {"2.png"}


def test_unknown_partition_is_an_error_that_names_those_there_are(
    world: World, selected: Select
) -> None:
    world.put("a/1.png")
    with pytest.raises(PathError, match=r"no partition c among .* 1 others: /.*photos/a\."):
        selected(partitions=("c",))


def test_missing_path_is_an_error_even_where_its_sources_are_known(
    world: World, selected: Select
) -> None:
    world.put("1.png")
    world.run()
    world.folder.rename(world.home / "unmounted")
    with pytest.raises(PathError, match="mount the disk"):
        selected()


def test_narrowed_listing_has_no_roots_so_that_nothing_can_be_missed(
    world: World, selected: Select
) -> None:
    world.put("1.png", mtime_s=noon(2024, 5, 1))
    world.put("2.png", mtime_s=noon(2023, 5, 1))
    found = selected(since=date(2024, 1, 1))
    assert found.listing.roots == []
    assert pq.read_table(found.listing.manifest).num_rows == 1


def test_same_request_has_the_same_spec_whatever_partitions_it_names(
    world: World, selected: Select
) -> None:
    world.put("a/1.png")
    whole = selected().spec
    assert selected(partitions=(f"{world.folder}/a",)).spec == whole
    assert selected(partition_by="day").spec != whole
    assert selected(since=date(2020, 1, 1)).spec != whole
