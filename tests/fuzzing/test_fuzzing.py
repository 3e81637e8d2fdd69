"""Minutes of what `python -m tests.fuzzing NAME --minutes 600` does for hours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzzing.targets import SEEDS, TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_taken_or_refused(name: str) -> None:
    for seed in (b"", *SEEDS[name]):
        TARGETS[name](seed)


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_nothing_that_a_minute_of_fuzzing_makes_breaks_a_promise(name: str, tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="atheris is for Linux on x86-64")
    command = [sys.executable, "-m", "tests.fuzzing", name, "--minutes", "1"]
    command += ["--corpus", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
