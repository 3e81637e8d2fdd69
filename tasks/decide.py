"""Wait for a person's decision on the page of a run."""

from __future__ import annotations

from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from pydantic import Field

from tasks.stage import log

_POLL_S = 5


class Decision(RunInput):
    """Say what a person decided; Prefect draws the form from it."""

    promote: bool = Field(
        default=False,
        title="Make it live",
        description="Off: nothing changes, and the run ends Completed.",
    )
    why: str = Field(default="", title="Why", description="What the log says of the change.")


def decision_on(figures: str, patience_h: float) -> Decision:
    """Pause the run with the figures beside the form, and return what somebody entered there.

    No stage, as a run is paused by its flow.

    Args:
        figures: what to decide on, in Markdown.
        patience_h: hours, after which the run ends Failed.

    Raises:
        FlowPauseTimeout: nobody decided in time.
    """
    log("waiting for a decision on this run's page (Resume), for %g hours", patience_h)
    form = Decision.with_initial_data(description=figures)
    decided: Decision = pause_flow_run(
        wait_for_input=form, timeout=round(patience_h * 3600), poll_interval=_POLL_S
    )
    log("decided: %s. %s", "promote" if decided.promote else "leave it", decided.why)
    return decided
