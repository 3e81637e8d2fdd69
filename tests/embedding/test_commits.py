"""What is committed together takes about a minute, however large the files of a shard are."""

from __future__ import annotations

import pyarrow as pa

from crossmodal.embedding.commits import CommitSizes


def shard(*sizes: int) -> pa.Table:
    return pa.table({"uri": [f"f{i}" for i in range(len(sizes))], "size_bytes": list(sizes)})


def worked(sizes: list[int], seconds: list[float]) -> list[int]:
    """Return how many sources each part has where source i takes that many seconds."""
    commits, found, done = CommitSizes(), [], 0
    for part, _ in commits.of(shard(*sizes), "shard 1 of 1"):
        rows = part.num_rows
        assert part["uri"].to_pylist() == [f"f{i}" for i in range(done, done + rows)]
        commits.took(part, sum(seconds[done : done + rows]))
        found.append(rows)
        done += rows
    assert done == len(sizes)
    return found


def test_small_shard_stays_whole_and_keeps_its_name() -> None:
    ((part, name),) = CommitSizes().of(shard(*[1000] * 70), "shard 2 of 9")
    assert (part.num_rows, name) == (70, "shard 2 of 9")


def test_quick_files_are_committed_by_the_shard_after_the_first_part() -> None:
    assert worked([100_000] * 512, [0.05] * 512) == [64, 448]


def test_a_quick_shard_of_small_files_makes_the_parts_of_the_next_no_smaller() -> None:
    sizes = CommitSizes()
    for small in (shard(100, 100, 100), shard(100)):
        ((part, _),) = sizes.of(small, "shard 1 of 3")
        sizes.took(part, 0.1)
    ((part, name),) = sizes.of(shard(900, 5_000, 5_000), "shard 3 of 3")
    assert (part.num_rows, name) == (3, "shard 3 of 3")


def test_slow_files_are_committed_each_minute_once_their_pace_is_known() -> None:
    found = worked([400_000_000] * 20, [90.0] * 20)
    assert found == [1] * 20
    found = worked([1_000_000] * 200, [5.0] * 200)
    assert found[0] == 32
    assert set(found[1:-1]) == {12}


def test_a_huge_file_ends_its_part() -> None:
    sizes = [1000] * 10 + [2_000_000_000] + [1000] * 60
    assert worked(sizes, [0.1] * len(sizes))[:2] == [10, 1]


def test_no_time_at_all_and_empty_files_do_no_harm() -> None:
    assert worked([0] * 300, [0.0] * 300) == [64, 236]
