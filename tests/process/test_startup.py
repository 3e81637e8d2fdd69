"""What answers at once imports nothing heavy: help, and a word on a wrong option."""

from __future__ import annotations

import os
import resource
import subprocess

import pytest

from tests.shell import CROSSMODAL

pytestmark = pytest.mark.process

HEAVY = {
    "torch",
    "transformers",
    "daft",
    "prefect",
    "pyarrow",
    "duckdb",
    "numpy",
    "PIL",
}
QUICK_CPU_S = 1.0
"""Of the processor, which is busy with other tests; a quiet one takes a fifth of it."""


def imported_by(*arguments: str) -> tuple[set[str], str, int]:
    """Return the top-level modules that a command imported, what it said and its exit code."""
    done = subprocess.run(
        [CROSSMODAL, *arguments],
        env=os.environ | {"PYTHONPROFILEIMPORTTIME": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    names = (line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines())
    return {name.partition(".")[0] for name in names}, done.stdout, done.returncode


@pytest.mark.parametrize("command", [(), ("index",), ("search",), ("backfill",), ("deploy",)])
def test_help_imports_nothing_heavy(command: tuple[str, ...]) -> None:
    imported, said, code = imported_by(*command, "--help")
    assert code == 0
    assert "Usage" in said
    assert "typer" in imported
    assert not imported & HEAVY


def test_wrong_option_is_told_of_before_anything_heavy_is_imported() -> None:
    imported, _, code = imported_by("index", "somewhere", "--no-such-option")
    assert code == 2
    assert not imported & HEAVY


def test_help_takes_little_of_the_processor() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([CROSSMODAL, "--help"], check=True, capture_output=True, timeout=300)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert used_s < QUICK_CPU_S
