"""Define how a run that crashed is run again by the Prefect server, at most three times.

Prefect's own retries do not apply to a crash. Owns the automations of index and backfill runs,
which the ledger makes safe to repeat; others are left to people. Invariant: nobody's cancelled run
comes back, as a run that is being cancelled may look crashed for some seconds, and no run is tried
a fifth time: which attempt it is stands in the name of the state that it was set to.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from prefect.automations import Automation
from prefect.client.schemas.objects import StateType
from prefect.events import EventTrigger, Posture, ResourceSpecification
from prefect.events.actions import ChangeFlowRunState

TAG = "rerun"
"""What deployments carry whose runs are run again."""
MAX_RERUNS = 3
GRACE = timedelta(seconds=60)
"""Longer than a cancelled run looks crashed."""
START = timedelta(minutes=20)
"""A container may have to be fetched before its run begins."""

_FLOW_RUNS = ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]})
_OURS = ResourceSpecification(
    {"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{TAG}"}
)
_CREATED = "Scheduled"
_LOST = "Lost"
_BEGUN = ("Running", "Completed", "Failed", "Crashed", "Cancelling", "Cancelled", "Scheduled")
_ELSEWHERE = ("AwaitingConcurrencySlot", "AwaitingRetry", "Paused", "Suspended", "Late")
_RERUNS = tuple(f"Rerun {number} of {MAX_RERUNS}" for number in range(1, MAX_RERUNS + 1))
_OURSELVES = (_LOST, *_RERUNS)
"""A server that was restarted puts an event off whose forerunner came before, for a
quarter of an hour, and then takes several at once."""
_AHEAD = timedelta(days=120)
"""Longer than Prefect schedules a run ahead."""


def rerun_crashed(grace: timedelta = GRACE, start: timedelta = START) -> list[Automation]:
    """Return what runs a crashed run again.

    Args:
        grace: how long after its crash, if nobody cancelled it or ran it again meanwhile.
        start: after which time a run counts as crashed whose process never began, since the server
            was away while its worker wanted to say so.
    """
    attempts = [_CREATED, *_RERUNS]
    return [
        _lose_unstarted(start),
        _lose_crashed(grace),
        *(_run_again(before, after) for before, after in pairwise(attempts)),
    ]


def _lose_unstarted(start: timedelta) -> Automation:
    # A server that has just started misses events, so the heartbeats of a live run count too.
    signs = _events({*_BEGUN, *_ELSEWHERE, *_OURSELVES}) | {"prefect.flow-run.heartbeat"}
    return Automation(
        name="crossmodal: give up runs that do not start",
        description="A worker that could not reach the server cannot say that a run died.",
        trigger=_silence({"Pending", "Submitting"}, signs, start),
        actions=[_lost("its process never began")],
    )


def _lose_crashed(grace: timedelta) -> Automation:
    others = _events({*_BEGUN, *_ELSEWHERE, *_OURSELVES, "Pending"} - {"Crashed"})
    return Automation(
        name="crossmodal: give up crashed runs",
        description="A crashed run that nobody cancels or runs again is lost.",
        trigger=_silence({"Crashed"}, others, grace),
        actions=[_lost("it crashed")],
    )


def _lost(why: str) -> ChangeFlowRunState:
    return ChangeFlowRunState(
        state=StateType.CRASHED,
        name=_LOST,
        message=f"{why}; it is run again up to {MAX_RERUNS} times",
        force=True,  # Prefect takes no second crash of a run otherwise
    )


def _run_again(before: str, after: str) -> Automation:
    return Automation(
        name=f"crossmodal: {after.lower()}",
        description="Runs a lost run again; what it had committed is not done twice.",
        trigger=EventTrigger(
            after=_events({before}),
            expect=_events({_LOST}),
            match=_FLOW_RUNS,
            match_related=_OURS,
            for_each={"prefect.resource.id"},
            posture=Posture.Reactive,
            threshold=1,
            within=_AHEAD,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.SCHEDULED,
                name=after,
                message="it crashed; the ledger knows the rest",
                force=False,
            )
        ],
    )


def _silence(after: set[str], expect: set[str], within: timedelta) -> EventTrigger:
    """Fire where a run stays in a state for so long."""
    return EventTrigger(
        after=_events(after),
        expect=expect,
        match=_FLOW_RUNS,
        match_related=_OURS,
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=within,
    )


def _events(states: set[str]) -> set[str]:
    return {f"prefect.flow-run.{state}" for state in states}
