"""What a run could only fail at, and what it would do, is said before a Prefect server starts."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from tests.process.test_startup import imported_by

pytestmark = pytest.mark.process

QUICK_CPU_S = 3.0
"""Of the processor, whose cores other tests use too; on a quiet machine 1.9 s."""


def said_without_prefect(*arguments: object) -> tuple[str, int]:
    """Return what a command said, and its exit code, having watched its imports and its time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    imported, said, code = imported_by(*map(str, arguments))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert not imported & {"prefect", "torch", "transformers"}
    assert after.ru_utime - before.ru_utime < QUICK_CPU_S
    return said, code


@pytest.mark.parametrize("command", ["index", "backfill"])
@pytest.mark.parametrize(
    "wrong",
    [
        ("nowhere",),
        ("*.nothing",),
        (".", "--model", "nobody/nothing"),
        (".", "--chunk-tokens", "three"),
        (".", "--min-coverage", "2"),
    ],
)
def test_refusal_needs_no_server(
    command: str, wrong: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _, code = said_without_prefect(command, *wrong, "-c", "c.duckdb")
    assert code in (1, 2)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("command", ["index", "backfill"])
def test_dry_run_needs_no_server_and_leaves_nothing_behind(
    command: str, pictures: Path, tmp_path: Path
) -> None:
    said, code = said_without_prefect(
        command, pictures, "--dry-run", "--json", "-c", tmp_path / "c.duckdb"
    )
    assert code == 0
    assert '"added": 12' in said or '"num_due": 12' in said
    assert os.listdir(tmp_path) == [pictures.name]
