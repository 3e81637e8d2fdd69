"""Take the disk away: full, or read-only. The run says so, and goes on where it was afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.operation.conftest import NUM_PICTURES, SHARD_SIZE
from tests.operation.ledger import Ledger
from tests.operation.site import FlowRun, Site
from tests.waiting import PATIENCE_S, eventually

ENCOUNTERED = "Flow run encountered an exception: "

pytestmark = [
    pytest.mark.operation,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk"),
]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a tmpfs of 32 MB for the collection."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount("-t", "tmpfs", "-o", "size=32m", "tmpfs", str(folder))
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def ledger(small_disk: Path) -> Ledger:
    return Ledger(small_disk / "photos.duckdb")


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def fill(folder: Path) -> Path:
    """Leave a little room, less than the next commits need, and return the file that takes it."""
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(folder).free - 16_384))
    return ballast


def test_full_disk_fails_the_run_and_keeps_what_was_committed(
    site: Site, small_disk: Path, index: Callable[..., FlowRun], ledger: Ledger
) -> None:
    run = index()
    ledger.wait_for_vectors()
    ballast = fill(small_disk)
    assert run.ended() == "FAILED"
    assert "disk is full" in run.message
    assert "Nothing of this transaction was kept" in run.message
    # Whether the few bytes fit that close the run depends on what its last commit left free.
    assert ledger.states[0] in ("running", "failed")
    num_before = ledger.num_vectors
    assert 0 < num_before < NUM_PICTURES
    assert num_before % SHARD_SIZE == 0
    ballast.unlink()
    again = index()
    assert again.ended() == "COMPLETED", again.message
    assert ledger.num_vectors == NUM_PICTURES
    assert ledger.embedded[-1] == NUM_PICTURES - num_before
    assert ledger.states[0] in ("interrupted", "failed")
    assert ledger.states[1:] == ["completed"]
    assert ledger.leftovers == []
    ledger.check()


def failures(site: Site, ledger: Ledger) -> list[dict[str, Any]]:
    """Return what the failed runs on this collection told Prefect's automations."""
    payloads = [event["payload"] for event in site.events("crossmodal.run.failed")]
    return [told for told in payloads if told["collection"] == str(ledger.path)]


def test_read_only_collection_fails_at_once_and_still_answers(
    site: Site, small_disk: Path, index: Callable[..., FlowRun], ledger: Ledger, pictures: Path
) -> None:
    first = index(paths=[str(pictures)])
    assert first.ended() == "COMPLETED", first.message
    mount("-o", "remount,ro", str(small_disk))
    refused = index()
    assert refused.ended() == "FAILED"
    assert "read-only file system" in refused.message
    assert ledger.num_vectors == 12
    told = eventually(lambda: failures(site, ledger), PATIENCE_S, "the event of the failed run")
    assert told[0]["message"] == refused.message.removeprefix(ENCOUNTERED)
    mount("-o", "remount,rw", str(small_disk))
    assert index().ended() == "COMPLETED"
    assert ledger.embedded[-1] == NUM_PICTURES - 12, "a picture with known content was embedded"
    assert ledger.num_vectors == NUM_PICTURES
    ledger.check()
