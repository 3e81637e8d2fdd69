"""The backfill flow against a real server, a real collection and a random CLIP."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from crossmodal.errors import CoverageTooLow, DeploymentError, PathError
from crossmodal.ledger.collection import Collection
from flows.backfill import backfill, backfill_partition
from flows.index import index
from flows.params.backfill import BackfillParams
from tests.api import Api
from tests.drawn import draw_picture
from tests.tiny_model import build_tiny_clip

pytestmark = pytest.mark.usefixtures("prefect")

YEARS = (2022, 2023, 2024)
NUM_A_YEAR = 4


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    return tmp_path / "collection.duckdb"


@pytest.fixture
def albums(tmp_path: Path) -> Path:
    """Return a folder with an album of four different pictures for each of three years."""
    folder = tmp_path / "albums"
    for number in range(len(YEARS) * NUM_A_YEAR):
        year = YEARS[number // NUM_A_YEAR]
        file = folder / str(year) / f"{number:02}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        draw_picture(number).save(file)
        taken_s = datetime(year, 6, 1, 12, tzinfo=UTC).timestamp()
        os.utime(file, (taken_s, taken_s))
    return folder


def run_backfill(collection: Path, *paths: Path, **changes: Any) -> dict[str, Any]:
    return backfill(collection=str(collection), paths=list(map(str, paths)), **changes)


def run_index(collection: Path, *paths: Path, **changes: Any) -> dict[str, Any]:
    return index(collection=str(collection), paths=list(map(str, paths)), **changes)


def rows(collection: Path, sql: str) -> list[Any]:
    with Collection(collection).read() as con:
        return con.execute(sql).fetchall()


def partitions(report: dict[str, Any]) -> dict[str, tuple[str, int]]:
    """Return the state and the number done of each partition, by the last part of its name."""
    return {Path(row["name"]).name: (row["state"], row["num_done"]) for row in report["partitions"]}


def test_every_partition_is_embedded_and_told_of(
    collection: Path, albums: Path, tiny_clip: Path
) -> None:
    report = run_backfill(collection, albums, model=str(tiny_clip), shard_size=3)
    assert report["num_embedded"] == 12
    assert partitions(report) == {str(year): ("done", 4) for year in YEARS}
    assert rows(collection, "SELECT count(*) FROM vector_1_image") == [(12,)]
    shards = "SELECT count(*) FROM span WHERE stage = 'embed' AND operator = ''"
    assert rows(collection, shards) == [(6,)], "no shard crosses two partitions"
    times = "SELECT bool_and(wall_s > 0 AND started_at <= finished_at) FROM backfill_partition"
    assert rows(collection, times) == [(True,)]


def test_same_backfill_again_does_nothing(collection: Path, albums: Path, tiny_clip: Path) -> None:
    first = run_backfill(collection, albums, model=str(tiny_clip))
    again = run_backfill(collection, albums, model=str(tiny_clip))
    assert again["backfill_id"] == first["backfill_id"]
    assert again["num_embedded"] == 0
    assert again["partitions"] == first["partitions"]
    loads = "SELECT count(DISTINCT run_id) FROM span WHERE stage = 'load model'"
    assert rows(collection, loads) == [(1,)]


def test_range_of_dates_embeds_only_its_files_and_deletes_nothing(
    collection: Path, albums: Path, tiny_clip: Path
) -> None:
    run_index(collection, albums / "2022", model=str(tiny_clip))
    sorted((albums / "2022").iterdir())[0].unlink()
    report = run_backfill(
        collection, albums, partition_by="year", since=date(2023, 1, 1), until=date(2023, 12, 31)
    )
    assert report["num_embedded"] == 4
    assert partitions(report) == {"2023": ("done", 4)}
    assert rows(collection, "SELECT count(*) FROM source") == [(8,)]


def test_move_seen_by_a_backfill_adds_the_new_path_and_keeps_the_old_one(
    collection: Path, albums: Path, tiny_clip: Path
) -> None:
    run_index(collection, albums, model=str(tiny_clip))
    (albums / "2022").rename(albums / "moved")
    report = run_backfill(collection, albums)
    assert report["num_embedded"] == 0
    assert report["counts"] == {"duplicate": 4, "unchanged": 8}
    assert partitions(report)["moved"] == ("done", 4)
    assert rows(collection, "SELECT count(*) FROM source") == [(16,)]
    assert run_index(collection, albums)["counts"] == {"deleted": 4, "unchanged": 12}
    assert rows(collection, "SELECT count(*) FROM vector_1_image") == [(12,)]


def test_listed_files_are_embedded_and_no_others(
    collection: Path, albums: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    wanted = tmp_path / "wanted.txt"
    wanted.write_text(f"{albums}/2022/00.png\n{albums}/2024/11.png\n")
    run_backfill(collection, albums, model=str(tiny_clip), listed=str(wanted), partition_by="none")
    found = rows(collection, "SELECT uri FROM source ORDER BY uri")
    assert found == [(f"{albums}/2022/00.png",), (f"{albums}/2024/11.png",)]


def test_only_failed_tries_quarantined_files_again_and_nothing_else(
    collection: Path, albums: Path, tiny_clip: Path
) -> None:
    broken = albums / "2023" / "broken.png"
    broken.write_bytes((albums / "2023" / "04.png").read_bytes()[:100])
    options = {"model": str(tiny_clip), "min_coverage": 0.0}
    first = run_backfill(collection, albums / "2023", **options)
    assert partitions(first) == {"2023": ("failed", 4)}
    again = run_backfill(collection, albums, only_failed=True, **options)
    assert again["counts"] == {"retry": 1}
    assert rows(collection, "SELECT attempts FROM quarantine") == [(2,)]
    assert rows(collection, "SELECT count(*) FROM source") == [(5,)]


def test_partitions_that_run_by_themselves_show_under_keys_of_their_own(
    prefect_server: str, collection: Path, albums: Path, tiny_clip: Path
) -> None:
    keys = []
    for year in YEARS[:2]:
        state = backfill_partition(
            collection=str(collection),
            paths=[str(albums)],
            model=str(tiny_clip),
            partitions=[str(albums / str(year))],
            return_state=True,
        )
        assert state.is_completed(), state.message
        run = str(state.state_details.flow_run_id)
        wanted = {"artifacts": {"flow_run_id": {"any_": [run]}}}
        shown = Api(prefect_server).post("/artifacts/filter", wanted)
        keys.append({found["key"] for found in shown})
    first, second = keys
    assert any(key.startswith("backfill-report-collection-2022-") for key in first)
    assert not first & second


def test_partition_below_the_coverage_gate_fails_the_run_and_is_told_of(
    collection: Path, albums: Path, tiny_clip: Path
) -> None:
    for number in range(3):
        (albums / "2022" / f"broken{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n%d" % number)
    with pytest.raises(CoverageTooLow, match="12 of 15") as caught:
        run_backfill(collection, albums, model=str(tiny_clip), min_coverage=1.0)
    assert caught.value.report is not None
    assert partitions(caught.value.report)["2022"] == ("failed", 4)


def test_other_model_is_built_beside_the_live_one(
    collection: Path, albums: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    run_index(collection, albums, model=str(tiny_clip))
    other = tmp_path / "other-clip"
    build_tiny_clip(other, seed=8)
    report = run_backfill(collection, albums, model=str(other))
    assert report["num_embedded"] == 12
    assert rows(collection, "SELECT count(*) FROM vector_1_image") == [(12,)]
    assert rows(collection, "SELECT count(*) FROM vector_2_image") == [(12,)]
    live = "SELECT value FROM collection_setting WHERE key = 'live_model_version'"
    assert rows(collection, live) == [('{"image": 1, "text": 1}',)]


def test_one_partition_can_be_done_by_itself_and_is_part_of_the_whole(
    collection: Path, albums: Path, tiny_clip: Path
) -> None:
    name = str(albums / "2023")
    part = run_backfill(collection, albums, model=str(tiny_clip), partitions=[name])
    assert part["num_embedded"] == 4
    whole = run_backfill(collection, albums, model=str(tiny_clip))
    assert whole["backfill_id"] == part["backfill_id"]
    assert whole["num_embedded"] == 8


def test_dry_run_tells_what_is_due_and_for_how_long_and_writes_nothing(
    collection: Path, albums: Path, tiny_clip: Path
) -> None:
    run_index(collection, albums / "2022", model=str(tiny_clip))
    before = collection.read_bytes()
    shown = run_backfill(collection, albums, dry_run=True)
    due = {Path(row["name"]).name: row["num_due"] for row in shown["partitions"]}
    assert due == {"2022": 0, "2023": 4, "2024": 4}
    assert all(row["eta_s"] > 0 for row in shown["partitions"] if row["num_due"])
    assert "would take" in shown["text"]
    assert collection.read_bytes() == before


def test_dry_run_makes_no_collection(collection: Path, albums: Path, tiny_clip: Path) -> None:
    run_backfill(collection, albums, model=str(tiny_clip), dry_run=True)
    assert not collection.exists()


def test_nothing_selected_is_no_error(collection: Path, albums: Path, tiny_clip: Path) -> None:
    run_index(collection, albums, model=str(tiny_clip))
    report = run_backfill(collection, albums, since=date(2030, 1, 1))
    assert (report["num_embedded"], report["partitions"]) == (0, [])


def test_missing_path_is_an_error(collection: Path, tmp_path: Path, tiny_clip: Path) -> None:
    with pytest.raises(PathError, match="nowhere"):
        run_backfill(collection, tmp_path / "nowhere", model=str(tiny_clip))


def test_deployments_that_nobody_made_are_an_error_that_says_what_to_do(
    collection: Path, albums: Path, tiny_clip: Path
) -> None:
    with pytest.raises(DeploymentError, match=r"backfill-partition/collection.*crossmodal deploy"):
        run_backfill(collection, albums, model=str(tiny_clip), workers="deployments")


def test_dates_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"until.* is before .*since"):
        BackfillParams(paths=["."], since=date(2024, 2, 1), until=date(2024, 1, 1))


def test_partition_run_is_told_absolute_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "albums").mkdir()
    params = BackfillParams(
        paths=["albums", "s3://bucket/albums"], collection="new.duckdb", model="org/clip"
    )
    given = params.one_partition("2024")
    assert given["paths"] == [str(tmp_path / "albums"), "s3://bucket/albums"]
    assert given["collection"] == str(tmp_path / "new.duckdb")
    assert given["model"] == "org/clip"
    assert given["partitions"] == ["2024"]
    BackfillParams(**given)


def test_partition_with_a_run_of_its_own_took_as_long_as_the_run(
    collection: Path, albums: Path, tiny_clip: Path
) -> None:
    name = str(albums / "2023")
    run_backfill(collection, albums, model=str(tiny_clip), partitions=[name])
    ((part_s, run_s),) = rows(
        collection,
        "SELECT p.wall_s, (r.counts->>'wall_s')::DOUBLE FROM backfill_partition p "
        "JOIN run r USING (run_id)",
    )
    assert run_s - 2 < part_s <= run_s
    (again,) = rows(collection, "SELECT wall_s FROM backfill_partition")
    run_backfill(collection, albums, model=str(tiny_clip), partitions=[name])
    assert rows(collection, "SELECT wall_s FROM backfill_partition") == [again]
