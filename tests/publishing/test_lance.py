"""What is particular to Lance: a bucket of a real local S3 server, and what removed rows leave."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from crossmodal.publishing.address import parse_address
from crossmodal.publishing.stores.store import table_name
from tests.publishing.world import World, assert_in_step

lance = pytest.importorskip("lance", reason="crossmodal[lance] is not installed")


@pytest.fixture
def bucket(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    fsspec = pytest.importorskip("s3fs")
    for name, value in {
        "AWS_ENDPOINT_URL": s3_endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    store = fsspec.S3FileSystem(skip_instance_cache=True)
    store.mkdir("published")
    yield "s3://published/photos"
    store.rm("published", recursive=True)


@pytest.mark.filterwarnings("ignore:.*datetime.utcnow:DeprecationWarning")
def test_a_bucket_is_kept_in_step(world: World, bucket: str) -> None:
    address = f"lance://{bucket}"
    assert world.publish(address).num_sent == 60
    world.add(range(40, 45))
    world.delete("/photos/0.png")
    done = world.publish(address)
    assert (done.num_sent, done.num_removed) == (5, 1)
    assert_in_step(world, address)
    assert world.publish(address).num_sent == 0


def test_removed_rows_are_nowhere_in_the_files_once_readers_had_their_time(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crossmodal.publishing.stores import lance as room

    monkeypatch.setattr(room, "RETENTION", timedelta(0))
    address = f"lance://{tmp_path / 'store'}"
    world.publish(address)
    world.delete("/photos/13.png")
    world.publish(address)
    folder = Path(parse_address(address).place) / f"{table_name(world.model)}.lance"
    files = [file.read_bytes() for file in (folder / "data").rglob("*.lance")]
    assert files
    assert not any(b"/photos/13.png" in data for data in files)
    assert any(b"/photos/14.png" in data for data in files)


def test_files_are_as_closed_to_others_as_the_collection(world: World, tmp_path: Path) -> None:
    world.publish(f"lance://{tmp_path / 'store'}")
    modes = {file.stat().st_mode & 0o077 for file in (tmp_path / "store").rglob("*")}
    assert modes == {0}
