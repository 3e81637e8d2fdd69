"""Flows for a worker that end as no flow of the product should."""

from __future__ import annotations

import os
import signal
import time

from prefect import flow


@flow
def doomed() -> None:
    """Die without a word."""
    os.kill(os.getpid(), signal.SIGKILL)


@flow
def patient(seconds: float) -> None:
    """Hold a place for so long."""
    time.sleep(seconds)
