"""A command that a signal ends says so, whatever error the signal brings with it."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

WORK = """
import os, signal, time
from crossmodal.cli.stopping import stopped_promptly

with stopped_promptly(lambda: None):
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    {before}
    raise RuntimeError("a child of this process was ended")
"""


def ended(before: str) -> subprocess.CompletedProcess[str]:
    code = WORK.format(before=before)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_error_that_comes_with_a_signal_ends_as_the_signal_does() -> None:
    done = ended("os.kill(os.getpid(), signal.SIGTERM)")
    assert done.returncode == 128 + signal.SIGTERM
    assert done.stderr.startswith("crossmodal: stopped. What is committed stays")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("before", ["pass", "os.kill(os.getpid(), signal.SIGWINCH)"])
def test_error_without_one_stays_what_it_is(before: str) -> None:
    done = ended(before)
    assert done.returncode == 1
    assert "a child of this process was ended" in done.stderr
