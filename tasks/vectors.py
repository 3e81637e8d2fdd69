"""Keep what searches need beside the vectors: index of large lists, calibrated scores, words."""

from __future__ import annotations

from crossmodal.records import Lineup
from crossmodal.runs.run import Run
from crossmodal.search import upkeep
from crossmodal.search.tokens.due import is_due
from tasks.stage import stage


@stage("fill spaces")
def fill_derived_spaces(run: Run) -> None:
    """Compute what derived spaces lack from the vectors that are there; loads no model."""
    upkeep.fill_derived_spaces(run)


@stage("fill tokens")
def fill_tokens(run: Run, device: str) -> None:
    """Make the token vectors that multi-vector rerankers lack; forget those of what is gone."""
    upkeep.fill_tokens(run, device)


@stage("update codes")
def update_codes(run: Run, lineup: Lineup) -> None:
    """Bring the codes by which large lists are searched up to date, and measure what they find."""
    upkeep.update_codes(run, lineup)


@stage("calibrate")
def calibrate_scores(run: Run, lineup: Lineup) -> None:
    """Make the scores of the lists comparable; loads no model, and costs little where they are."""
    upkeep.calibrate_scores(run, lineup)


def are_tokens_due(run: Run) -> bool:
    """Say whether token vectors lack, or are there of what is gone; loads no model."""
    return is_due(run.collection)
