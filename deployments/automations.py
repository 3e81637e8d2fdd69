"""Define what the Prefect server does by itself: end dead runs, and tell somebody about failures.

A flow emits ``crossmodal.run.failed`` when a run fails, also before it has opened, or misses its
coverage gate; one that was killed cannot, so its alert hangs on the Crashed state that the first
automation sets. What never starts is told of by Prefect's own events, and by the silence that
follows the last success.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from prefect.automations import Automation
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.events import EventTrigger, Posture, ResourceSpecification
from prefect.events.actions import CallWebhook, ChangeFlowRunState, RunDeployment, SendNotification
from prefect.exceptions import ObjectNotFound
from prefect.types import SecretDict
from pydantic import SecretStr

from crossmodal.errors import DeploymentError

TAG = "crossmodal"
"""Every deployment carries it, so that nobody else's runs are touched."""
HEARTBEAT_S = 30
SILENCE = timedelta(seconds=6 * HEARTBEAT_S)
"""Six missed heartbeats: a server that is away for two minutes kills nobody."""
ALERT_BLOCK = "crossmodal-alert"
FILES_CHANGED = "crossmodal.files.changed"
FRESH_H = 26
"""A nightly run and two hours to do it in."""

_OURS = ResourceSpecification(
    {"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{TAG}"}
)
_FLOW_RUNS = ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]})
_COLLECTIONS = ResourceSpecification({"prefect.resource.id": ["crossmodal.collection.*"]})
_LAST_WORDS = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled")}

_FAILED_MESSAGE = """{
  "event": {{ event.event | tojson }},
  "collection": {{ event.payload.collection | tojson }},
  "message": {{ (event.payload.message or none) | tojson }},
  "url": {{ (event.payload.url or none) | tojson }},
  "run": {{ event.payload | tojson }}
}"""
_RUN_MESSAGE = """{
  "event": {{ event.event | tojson }},
  "collection": {{ flow_run.parameters.collection | tojson }},
  "message": {{ (flow_run.name ~ SAID) | tojson }},
  "url": {{ flow_run | ui_url | tojson }},
  "flow_run": {{ flow_run.name | tojson }},
  "flow_run_id": "{{ flow_run.id }}"
}"""
_POOL_MESSAGE = """{
  "event": {{ event.event | tojson }},
  "collection": null,
  "message": {{ ("no worker asks for runs of " ~ event.resource.name) | tojson }},
  "url": {{ work_pool | ui_url | tojson }},
  "name": {{ event.resource.name | tojson }}
}"""
_STALE_MESSAGE = """{
  "event": {{ event.event | tojson }},
  "collection": {{ event.payload.collection | tojson }},
  "message": "no run has succeeded for FRESH_H hours; the link is to the last that did",
  "url": {{ (event.payload.url or none) | tojson }},
  "name": {{ event.resource.name | tojson }}
}""".replace("FRESH_H", str(FRESH_H))


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


def index_on_event(deployment_id: UUID, name: str, collection: str) -> Automation:
    """Index as soon as somebody says that files have changed, such as a bucket's own messages.

    Args:
        deployment_id: of the index.
        name: of the deployments.
        collection: the event's resource is ``crossmodal.collection.`` and this path.
    """
    return Automation(
        name=f"crossmodal: index {name} when files change",
        description=f"Emit {FILES_CHANGED} once for each batch of changes, not for each file.",
        trigger=EventTrigger(
            expect={FILES_CHANGED},
            match=ResourceSpecification(
                {"prefect.resource.id": f"crossmodal.collection.{collection}"}
            ),
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[
            RunDeployment(
                source="selected",
                deployment_id=deployment_id,
                parameters=None,
                job_variables=None,
            )
        ],
    )


def alerts(where: str, *, dry_run: bool = False) -> list[Automation]:
    """Return what tells somebody when a run fails, is lost or late, or none succeeds for a day.

    Args:
        where: a URL to post JSON to, for which a webhook's block is saved; or a block of Prefect's
            for notifications as ``BLOCKTYPE/NAME``, such as ``slack-webhook/team``. A link is null
            where the server does not know its own PREFECT_UI_URL.
        dry_run: whether to save no block.

    Raises:
        DeploymentError: it is neither, or the server has no such block.
    """
    tell = _channel(where, dry_run=dry_run)
    return [
        Automation(
            name=f"crossmodal: tell of {told.what}",
            description=told.description,
            trigger=told.trigger,
            actions=[tell(told)],
        )
        for told in _told()
    ]


@dataclass(frozen=True)
class _Told:
    """Say what somebody is told of: when, as JSON for a program and as a sentence."""

    what: str
    description: str
    trigger: EventTrigger
    payload: str
    sentence: str


def _told() -> list[_Told]:
    pools = ResourceSpecification({"prefect.resource.id": ["prefect.work-pool.*"]})
    return [
        _Told(
            "failed runs",
            "Tells of a run that failed, before it opened or after, or missed its coverage gate.",
            _each({"crossmodal.run.failed"}, _COLLECTIONS),
            _FAILED_MESSAGE,
            "{{ event.payload.flow }} of {{ event.payload.collection }} failed: "
            "{{ event.payload.message }} {{ event.payload.url or '' }}",
        ),
        _Told(
            "crashed runs",
            "Tells of a run that was killed or lost.",
            _each({"prefect.flow-run.Crashed"}, _FLOW_RUNS, _OURS),
            _said_of_run('" crashed: " ~ (flow_run.state.message or "nobody knows why")'),
            "{{ flow_run.name }} crashed: {{ flow_run | ui_url }}",
        ),
        _Told(
            "late runs",
            "Tells of a scheduled run that did not start in time.",
            _each({"prefect.flow-run.Late"}, _FLOW_RUNS, _OURS),
            _said_of_run('" is late; is a worker running?"'),
            "{{ flow_run.name }} is late; is a worker running? {{ flow_run | ui_url }}",
        ),
        _Told(
            "pools without a worker",
            "Tells of a work pool that no worker asks for runs any more.",
            _each({"prefect.work-pool.not-ready"}, pools),
            _POOL_MESSAGE,
            "no worker asks for runs of {{ event.resource.name }}: {{ work_pool | ui_url }}",
        ),
        _Told(
            "stale collections",
            f"Tells of a collection that no run has brought up to date for {FRESH_H} hours.",
            _missed({"crossmodal.run.completed"}, _COLLECTIONS, timedelta(hours=FRESH_H)),
            _STALE_MESSAGE,
            f"no run has succeeded for {FRESH_H} hours: {{{{ event.payload.collection }}}} "
            "{{ event.payload.url or '' }}",
        ),
        _Told(
            "new matches of saved searches",
            "Tells of new items that match a search saved with `crossmodal saved save`.",
            _each({"crossmodal.saved_search.matched"}, _COLLECTIONS),
            _FAILED_MESSAGE,
            "{{ event.payload.message }}: {% for item in event.payload['items'] %}{{ item.uri }} "
            "{% endfor %}({{ event.payload.collection }}) {{ event.payload.url or '' }}",
        ),
    ]


def _said_of_run(words: str) -> str:
    """Return a run's message with what a template of Prefect's says of it."""
    return _RUN_MESSAGE.replace("SAID", words)


def _channel(where: str, *, dry_run: bool) -> Callable[[_Told], CallWebhook | SendNotification]:
    """Return what makes the action that tells somebody there."""
    if "://" in where:
        block_id = _known_webhook() if dry_run else _save_webhook(where)
        return lambda told: CallWebhook(block_document_id=block_id, payload=told.payload)
    block_id = _notification_block(where)
    return lambda told: SendNotification(
        block_document_id=block_id, subject=f"crossmodal: {told.what}", body=told.sentence
    )


def _save_webhook(url: str) -> UUID:
    headers = SecretDict({"Content-Type": "application/json"})
    saved = Webhook(url=SecretStr(url), headers=headers).save(ALERT_BLOCK, overwrite=True)
    return UUID(str(saved))


def _known_webhook() -> UUID:
    """Return the block that an earlier deploy saved, or one that nobody has."""
    try:
        return _notification_block(f"webhook/{ALERT_BLOCK}")
    except DeploymentError:
        return uuid4()


def _notification_block(where: str) -> UUID:
    kind, _, name = where.partition("/")
    with get_client(sync_client=True) as client:
        try:
            found = client.read_block_document_by_name(name, kind)
        except ObjectNotFound:
            raise DeploymentError(
                f"the Prefect server has no block {where!r} to alert: give a URL to post to, or "
                "BLOCKTYPE/NAME of a notification block, such as slack-webhook/team, as "
                "`prefect block ls` lists them"
            ) from None
    return UUID(str(found.id))


def _missed(events: set[str], match: ResourceSpecification, within: timedelta) -> EventTrigger:
    """Fire where such an event is not followed by the next one in time."""
    return EventTrigger(
        after=events,
        expect=events,
        match=match,
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=within,
    )


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
