"""Hold what a caller may choose about a run's records; costs nothing to import."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a run is recorded."""

    record: bool = True
    """Write a run row; False for a dry run."""
    quiet: bool = False
    """Show no progress."""
    flow_run_id: str | None = None
    """Prefect's id for the run, so that people find one from the other."""
    stage_timeout_s: float = 0.0
    """How long one stage may take; 0: as long as it needs."""
    keep_undo: str = ""
    """How much is kept for undoing runs from now on: runs, or a size. Empty: as before."""
