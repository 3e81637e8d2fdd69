"""Define what the Prefect server does by itself: end dead runs, and tell somebody about failures.

A flow emits ``crossmodal.run.failed`` when a run fails or misses its coverage gate; one that was
killed cannot, so its alert hangs on the Crashed state that the first automation sets.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from prefect.automations import Automation
from prefect.blocks.webhook import Webhook
from prefect.client.schemas.objects import StateType
from prefect.events import EventTrigger, Posture, ResourceSpecification
from prefect.events.actions import CallWebhook, ChangeFlowRunState
from prefect.types import SecretDict
from pydantic import SecretStr

TAG = "crossmodal"
"""Every deployment carries it, so that nobody else's runs are touched."""
HEARTBEAT_S = 30
SILENCE = timedelta(seconds=6 * HEARTBEAT_S)
"""Six missed heartbeats: a server that is away for two minutes kills nobody."""
ALERT_BLOCK = "crossmodal-alert"

_OURS = ResourceSpecification(
    {"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{TAG}"}
)
_FLOW_RUNS = ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]})
_COLLECTIONS = ResourceSpecification({"prefect.resource.id": ["crossmodal.collection.*"]})
_LAST_WORDS = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled")}

_FAILED_MESSAGE = """{
  "event": {{ event.event | tojson }},
  "collection": {{ event.payload.collection | tojson }},
  "run": {{ event.payload | tojson }}
}"""
_CRASHED_MESSAGE = """{
  "event": {{ event.event | tojson }},
  "flow_run": {{ flow_run.name | tojson }},
  "flow_run_id": "{{ flow_run.id }}",
  "url": {{ flow_run | ui_url | tojson }}
}"""


def crash_silent_runs(silence: timedelta = SILENCE) -> Automation:
    """Mark a run Crashed once its heartbeats stop without a last word."""
    return Automation(
        name="crossmodal: crash runs without a heartbeat",
        description="A killed worker cannot say that its runs died; this frees their slot.",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.heartbeat", "prefect.flow-run.Crashed", *_LAST_WORDS},
            match=_FLOW_RUNS,
            match_related=_OURS,
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=silence,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                name="Crashed",
                message="no heartbeat: its worker or machine is gone",
                force=False,
            )
        ],
    )


def alerts(url: str) -> list[Automation]:
    """Return what posts to ``url`` when a run fails or is lost; saves the webhook's block.

    The body is JSON: the event with the run's numbers, or with the flow run's name, id and page
    (null where the server does not know its own PREFECT_UI_URL).
    """
    block = Webhook(url=SecretStr(url), headers=SecretDict({"Content-Type": "application/json"}))
    block_id = UUID(str(block.save(ALERT_BLOCK, overwrite=True)))
    return [
        Automation(
            name="crossmodal: tell of failed runs",
            description="Posts a failed run's numbers, or those of one below its coverage gate.",
            trigger=_each({"crossmodal.run.failed"}, _COLLECTIONS),
            actions=[CallWebhook(block_document_id=block_id, payload=_FAILED_MESSAGE)],
        ),
        Automation(
            name="crossmodal: tell of crashed runs",
            description="Posts the name of a run that was killed or lost.",
            trigger=_each({"prefect.flow-run.Crashed"}, _FLOW_RUNS, _OURS),
            actions=[CallWebhook(block_document_id=block_id, payload=_CRASHED_MESSAGE)],
        ),
    ]


def _each(
    events: set[str],
    match: ResourceSpecification,
    related: ResourceSpecification | None = None,
) -> EventTrigger:
    """Fire on each such event by itself."""
    return EventTrigger(
        expect=events,
        match=match,
        match_related=related or ResourceSpecification({}),
        for_each={"prefect.resource.id"},
        posture=Posture.Reactive,
        threshold=1,
        within=timedelta(0),
    )
