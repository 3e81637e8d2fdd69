"""Write what needs no forward pass."""

from __future__ import annotations

from crossmodal.records import Lineup, Plan
from crossmodal.runs.run import Run
from crossmodal.runs.settle_plan import settle_plan
from tasks.stage import stage


@stage("settle")
def settle(run: Run, plan: Plan, lineup: Lineup) -> None:
    """Write what needs no forward pass: renames, copies, deletions, refusals of discovery."""
    settle_plan(run, plan, lineup)
