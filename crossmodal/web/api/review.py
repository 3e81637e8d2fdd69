"""Serve the review queue: one item at a time, to one person at a time.

Thin: a route hands bounded parameters to the ledger's reviews, on the pool of lookups, and shapes
the answer. What a file or a person says is sent as JSON and shown as text.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.responses import Response

from crossmodal.ledger.read.findings import Finding, find_finding, finding_counts, findings
from crossmodal.ledger.write import reviews
from crossmodal.ledger.write.policies import kept_policy
from crossmodal.ledger.write.reviews import Act, HeldByAnother, NoSuchFinding, ReviewError
from crossmodal.web.api.dependencies import StateOf, problems
from crossmodal.web.api.errors import ApiError
from crossmodal.web.api.pages import static_file
from crossmodal.web.api.shape import API
from crossmodal.web.served import ServedCollection

MAX_FINDINGS = 500
_MAX_ID = 2**63 - 1

page = APIRouter()
router = APIRouter(prefix=API, tags=["review"])

Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=reviews.MAX_ACTOR_CHARS)
]
Words = Annotated[str, StringConstraints(max_length=reviews.MAX_NOTE_CHARS)]
PolicyId = Annotated[
    str | None, Query(title="Policy", description="Only of this one.", max_length=64)
]
FindingId = Annotated[int, Path(title="Finding", description="Its number.", ge=1, le=_MAX_ID)]


class _Described(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ReviewAct(_Described):
    """Who does something to a finding, what, and why."""

    event: Literal["decide", "skip", "undo", "appeal", "uphold", "overturn"]
    actor: Name = Field(description="Who does it, as the log is to name them.")
    decision: Literal["violates", "allowed"] | None = Field(None, description="Of decide.")
    hide: bool | None = Field(
        None, description="Whether what violates is left out of searches; null: as the policy says."
    )
    reason: Words = Field("", description="Why, for the statement of reasons.")
    note: Words = Field("", description="For other reviewers.")


class Take(_Described):
    """Who takes the next item."""

    actor: Name = Field(description="Who takes it, as the log is to name them.")


class LogEntry(_Described):
    """What was done to a finding before."""

    event: str
    actor: str
    at: str
    decision: str | None
    reason: str
    note: str


class ReviewItem(_Described):
    """One finding with what a person needs to decide it."""

    finding_id: int
    chunk_id: int
    policy_id: str
    policy_version: str
    policy_title: str
    policy_text: str = Field(description="The policy as it was, in Markdown; to be shown as text.")
    severity: str
    action: str
    modality: str
    score: float = Field(description="In standard deviations of chance.")
    is_first: bool = Field(description="Above the upper threshold.")
    evidence: dict[str, Any] = Field(description="Nearest sentences and examples, thresholds.")
    run_id: str
    found_at: datetime
    state: Literal["open", "violates", "allowed", "withdrawn"]
    appeal: str
    is_hidden: bool
    holder: str | None
    leased_until: datetime | None
    thumbnail: str = Field(description="URL of a small picture; 404 where there is none.")
    log: list[LogEntry]


class FindingCount(_Described):
    """How many findings a policy has in one state."""

    policy: str
    state: str
    num_findings: int
    num_first: int
    num_appeals: int


class ReviewQueue(_Described):
    """The most urgent findings of a state, and how many there are of each."""

    counts: list[FindingCount]
    findings: list[ReviewItem]


class Taken(_Described):
    """The item that is now held; null where the queue is empty."""

    item: ReviewItem | None


@page.get("/review", include_in_schema=False)
async def review_page(request: Request) -> Response:
    """Return the page of the queue."""
    return static_file(request, "review.html")


@router.get("/review", summary="List findings", responses=problems())
async def queue(
    state: StateOf,
    of: Annotated[
        Literal["open", "violates", "allowed", "withdrawn"],
        Query(title="ServedCollection", description="Findings of this state."),
    ] = "open",
    policy: PolicyId = None,
    limit: Annotated[int, Query(title="Limit", description="At most.", ge=1, le=MAX_FINDINGS)] = 50,
) -> ReviewQueue:
    """Return the most urgent findings of a state."""
    return await state.lookups.run(_queue, state, of, policy, limit)


@router.post("/review/next", summary="Take the next finding", responses=problems())
async def take(state: StateOf, body: Annotated[Take, Body()], policy: PolicyId = None) -> Taken:
    """Hold the most urgent open finding that nobody else holds, for ten minutes."""

    def write(con: Any) -> ReviewItem | None:
        found = reviews.take_next(con, Act(actor=body.actor), policy)
        return _item(con, found) if found else None

    return Taken(item=await state.lookups.run(_written, state, write))


@router.get("/review/{finding_id}", summary="Describe a finding", responses=problems(404))
async def describe(state: StateOf, finding_id: FindingId) -> ReviewItem:
    """Return a finding with its policy, its evidence and its log."""
    return await state.lookups.run(_described, state, finding_id)


@router.post("/review/{finding_id}", summary="Decide a finding", responses=problems(404, 409))
async def act(
    state: StateOf, finding_id: FindingId, body: Annotated[ReviewAct, Body()]
) -> ReviewItem:
    """Decide, skip, undo, appeal, uphold or overturn; the log keeps it."""
    done = Act(actor=body.actor, reason=body.reason, note=body.note)
    if body.event == "decide" and body.decision is None:
        raise ApiError(422, "invalid_request", "decide needs a decision: violates or allowed")

    def write(con: Any) -> ReviewItem:
        return _item(con, _done(con, finding_id, body, done))

    return await state.lookups.run(_written, state, write)


def _done(con: Any, finding_id: int, body: ReviewAct, done: Act) -> Finding:
    if body.event == "decide":
        return reviews.decide(con, finding_id, body.decision or "", done, body.hide)
    if body.event in ("uphold", "overturn"):
        return reviews.settle_appeal(con, finding_id, body.event, done)
    return {"skip": reviews.skip, "undo": reviews.undo, "appeal": reviews.appeal}[body.event](
        con, finding_id, done
    )


def _written(state: ServedCollection, write: Callable[[Any], Any]) -> Any:
    """Do something within one transaction; a collection that is not there is not made."""
    with state.collection.read():
        pass
    try:
        with state.collection.write() as con:
            return write(con)
    except NoSuchFinding as error:
        raise ApiError(404, "no_such_finding", str(error)) from error
    except HeldByAnother as error:
        raise ApiError(409, "held_by_another", str(error)) from error
    except ReviewError as error:
        raise ApiError(409, "not_possible", str(error)) from error


def _queue(state: ServedCollection, of: str, policy: str | None, limit: int) -> ReviewQueue:
    with state.collection.read() as con:
        return ReviewQueue(
            counts=[FindingCount(**counted) for counted in finding_counts(con)],
            findings=[_item(con, found) for found in findings(con, of, policy, limit)],
        )


def _described(state: ServedCollection, finding_id: int) -> ReviewItem:
    with state.collection.read() as con:
        found = find_finding(con, finding_id)
        if found is None:
            raise ApiError(404, "no_such_finding", f"there is no finding {finding_id}")
        return _item(con, found)


def _item(con: Any, found: Finding) -> ReviewItem:
    said = kept_policy(con, found.policy_id, found.policy_hash)
    return ReviewItem(
        finding_id=found.finding_id,
        chunk_id=found.chunk_id,
        policy_id=found.policy_id,
        policy_version=found.policy_version,
        policy_title=found.policy_title,
        policy_text=said.get("body", ""),
        severity=found.severity,
        action=found.action,
        modality=found.modality,
        score=found.score,
        is_first=found.is_first,
        evidence={k: v for k, v in found.evidence.items() if k != "null"},
        run_id=found.run_id,
        found_at=found.found_at,
        state=found.state,  # type: ignore[arg-type]
        appeal=found.appeal,
        is_hidden=found.is_hidden,
        holder=found.holder,
        leased_until=found.leased_until,
        thumbnail=f"{API}/thumbnail/{found.chunk_id}?hidden=true",
        log=[
            LogEntry(
                event=entry.event,
                decision=entry.said.get("decision"),
                **{name: entry.said[name] for name in ("actor", "at", "reason", "note")},
            )
            for entry in reviews.events(con, found.finding_id)
        ],
    )
