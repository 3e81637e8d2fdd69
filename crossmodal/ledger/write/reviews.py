"""Let people take findings, decide them and take that back; write down who did what and why.

Owns the lease (two people never hold one item) and the log. The log is only ever added to, and
each entry's hash covers the one before it, so that no entry can be changed, taken out or put in
between without all later hashes being wrong. Invariant: what a finding's row says of its state is
what its entries add up to (see ``folded``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb

from crossmodal.errors import CrossmodalError
from crossmodal.ledger.read.findings import Finding, find_finding
from crossmodal.ledger.sql import first_row

DECISIONS = ("violates", "allowed")
MAX_NOTE_CHARS = 4000
MAX_ACTOR_CHARS = 200
LEASE_S = 600.0
_SEVERITIES = ("none", "low", "medium", "high", "severe")

_NEXT = """
SELECT finding_id FROM finding f LEFT JOIN policy p
    ON p.policy_id = f.policy_id AND p.content_hash = f.policy_hash
WHERE state = 'open' AND ($policy IS NULL OR f.policy_id = $policy)
    AND (holder IS NULL OR holder = $actor OR leased_until <= $now)
ORDER BY coalesce(holder = $actor AND leased_until > $now, false) DESC, num_skips, is_first DESC,
    list_position($severities, p.said ->> '$.severity') DESC, score DESC, finding_id
LIMIT 1
"""


class ReviewError(CrossmodalError):
    """What somebody wants to do with a finding is not possible now."""


class NoSuchFinding(ReviewError):
    """There is no finding of this number."""


class HeldByAnother(ReviewError):
    """Somebody else holds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Say who does something, when, and in which words."""

    actor: str
    reason: str = ""
    note: str = ""
    at: datetime | None = None
    """None: now."""

    @property
    def moment(self) -> datetime:
        """Return when it is done."""
        return self.at or datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Hold one entry of the log."""

    seq: int
    finding_id: int
    event: str
    """decide, undo, skip, appeal, uphold or overturn."""
    said: dict[str, Any]
    """Who, when, why, and of a decision the whole finding with its evidence."""
    previous: str
    hash: str

    @property
    def is_whole(self) -> bool:
        """Return whether the hash is that of what stands here."""
        return self.hash == _seal(self.seq, self.finding_id, self.event, self.said, self.previous)


def take_next(
    con: duckdb.DuckDBPyConnection, act: Act, policy: str | None = None, lease_s: float = LEASE_S
) -> Finding | None:
    """Give somebody the most urgent item that nobody holds; None where there is none.

    Who holds one gets the same one again. A lease that ran out is nobody's.
    """
    _check(act)
    row = first_row(
        con,
        _NEXT,
        {
            "policy": policy,
            "actor": act.actor,
            "now": act.moment,
            "severities": list(_SEVERITIES),
        },
    )
    if row is None:
        return None
    con.execute(
        "UPDATE finding SET holder = ?, leased_until = ? WHERE finding_id = ?",
        [act.actor, act.moment + timedelta(seconds=lease_s), row[0]],
    )
    return find_finding(con, row[0])


def decide(
    con: duckdb.DuckDBPyConnection,
    finding_id: int,
    decision: str,
    act: Act,
    hide: bool | None = None,
) -> Finding:
    """Decide an open finding; one that violates its policy may be hidden from searches.

    ``hide`` says whether; None: as the policy says.

    Raises:
        ReviewError: it is decided already, or held by somebody else, or the decision is none.
    """
    if decision not in DECISIONS:
        raise ReviewError(f"{decision!r} is no decision: decide {' or '.join(DECISIONS)}")
    found = _held_by(con, finding_id, act)
    if found.state != "open":
        raise ReviewError(_not_open(found))
    hides = decision == "violates" and (found.hides if hide is None else hide)
    _set(con, finding_id, state=decision, is_hidden=hides)
    return _noted(con, found, "decide", act, decision=decision, hidden=hides)


def skip(con: duckdb.DuckDBPyConnection, finding_id: int, act: Act) -> Finding:
    """Give an item back undecided; it comes again after the others."""
    found = _held_by(con, finding_id, act)
    if found.state != "open":
        raise ReviewError(_not_open(found))
    _set(con, finding_id, num_skips=found.num_skips + 1)
    return _noted(con, found, "skip", act)


def undo(con: duckdb.DuckDBPyConnection, finding_id: int, act: Act) -> Finding:
    """Take the last decision back: the finding is open again.

    Raises:
        ReviewError: nothing is decided, or an appeal hangs on it.
    """
    found = _known(con, finding_id)
    _check(act)
    if found.state not in DECISIONS:
        raise ReviewError(f"finding {finding_id} is {found.state}: there is no decision to undo")
    if found.appeal:
        raise ReviewError(
            f"finding {finding_id} was appealed ({found.appeal}): settle the appeal with "
            "uphold or overturn instead"
        )
    _set(con, finding_id, state="open", is_hidden=found.hides and found.is_first)
    return _noted(con, found, "undo", act)


def appeal(con: duckdb.DuckDBPyConnection, finding_id: int, act: Act) -> Finding:
    """Note that somebody objects to a decision; it stands until the appeal is settled.

    Raises:
        ReviewError: nothing is decided against anybody, or it was appealed before.
    """
    found = _known(con, finding_id)
    _check(act)
    if found.state != "violates" or found.appeal:
        why = f"was appealed before ({found.appeal})" if found.appeal else f"is {found.state}"
        raise ReviewError(
            f"finding {finding_id} {why}: only a decision that something violates its policy can "
            "be appealed, once"
        )
    _set(con, finding_id, appeal="open")
    return _noted(con, found, "appeal", act)


def settle_appeal(
    con: duckdb.DuckDBPyConnection, finding_id: int, verdict: str, act: Act
) -> Finding:
    """Uphold the decision that was appealed, or overturn it; what was logged stays logged.

    Raises:
        ReviewError: there is no open appeal, or the verdict is none.
    """
    if verdict not in ("uphold", "overturn"):
        raise ReviewError(f"{verdict!r} is no verdict: uphold the decision or overturn it")
    found = _known(con, finding_id)
    _check(act)
    if found.appeal != "open":
        raise ReviewError(f"finding {finding_id} has no open appeal to {verdict}")
    if verdict == "uphold":
        _set(con, finding_id, appeal="upheld")
    else:
        _set(con, finding_id, appeal="overturned", state="allowed", is_hidden=False)
    return _noted(con, found, verdict, act)


def events(con: duckdb.DuckDBPyConnection, finding_id: int | None = None) -> list[Event]:
    """Return the log, oldest first: all of it, or of one finding."""
    rows = con.execute(
        "SELECT seq, finding_id, event, said, previous, hash FROM review_event "
        "WHERE $id IS NULL OR finding_id = $id ORDER BY seq",
        {"id": finding_id},
    ).fetchall()
    return [
        Event(
            seq=r[0], finding_id=r[1], event=r[2], said=json.loads(r[3]), previous=r[4], hash=r[5]
        )
        for r in rows
    ]


def folded(log: Iterable[Event]) -> dict[int, tuple[str, str]]:
    """Return the (state, appeal) of each finding that the log speaks of."""
    states: dict[int, tuple[str, str]] = {}
    for entry in log:
        state, objection = states.get(entry.finding_id, ("open", ""))
        states[entry.finding_id] = {
            "decide": (entry.said.get("decision", ""), objection),
            "undo": ("open", objection),
            "appeal": (state, "open"),
            "uphold": (state, "upheld"),
            "overturn": ("allowed", "overturned"),
        }.get(entry.event, (state, objection))
    return states


def _not_open(found: Finding) -> str:
    how = {"withdrawn": "the policy, the model or the file has changed since it was found"}
    told = how.get(found.state, "take the decision back with undo first")
    return f"finding {found.finding_id} is {found.state}, no longer open: {told}"


def _known(con: duckdb.DuckDBPyConnection, finding_id: int) -> Finding:
    found = find_finding(con, finding_id)
    if found is None:
        raise NoSuchFinding(
            f"there is no finding {finding_id}: `crossmodal review` lists those there are"
        )
    return found


def _held_by(con: duckdb.DuckDBPyConnection, finding_id: int, act: Act) -> Finding:
    """Return a finding that nobody but the actor holds."""
    _check(act)
    found = _known(con, finding_id)
    until = found.leased_until
    if found.holder not in (None, act.actor) and until is not None and until > act.moment:
        raise HeldByAnother(
            f"{found.holder} holds finding {finding_id} until {until.astimezone(UTC):%H:%M:%S} "
            "UTC: take another one, or wait"
        )
    return found


def _check(act: Act) -> None:
    if not act.actor.strip() or len(act.actor) > MAX_ACTOR_CHARS:
        raise ReviewError(
            f"say who decides, in 1 to {MAX_ACTOR_CHARS} characters: the log keeps a name with "
            "every entry"
        )
    if max(len(act.reason), len(act.note)) > MAX_NOTE_CHARS:
        raise ReviewError(f"a reason or a note has at most {MAX_NOTE_CHARS:,} characters")


def _set(con: duckdb.DuckDBPyConnection, finding_id: int, **columns: Any) -> None:
    """Set columns, whose names are ours; the lease ends with whatever was done."""
    named = ", ".join(f"{name} = ${name}" for name in columns)
    con.execute(
        f"UPDATE finding SET {named}, holder = NULL, leased_until = NULL WHERE finding_id = $id",
        {**columns, "id": finding_id},
    )


def _noted(
    con: duckdb.DuckDBPyConnection, found: Finding, event: str, act: Act, **more: Any
) -> Finding:
    """Add an entry to the log and return the finding as it is now."""
    said: dict[str, Any] = {
        "actor": act.actor,
        "at": act.moment.astimezone(UTC).isoformat(),
        "reason": act.reason,
        "note": act.note,
        **more,
        "finding": json.loads(json.dumps(asdict(found), default=str)),
    }
    newest = first_row(con, "SELECT seq, hash FROM review_event ORDER BY seq DESC LIMIT 1")
    seq, previous = (newest[0] + 1, newest[1]) if newest else (1, "")
    con.execute(
        "INSERT INTO review_event VALUES (?, ?, ?, ?, ?, ?)",
        [
            seq,
            found.finding_id,
            event,
            json.dumps(said, sort_keys=True),
            previous,
            _seal(seq, found.finding_id, event, said, previous),
        ],
    )
    return _known(con, found.finding_id)


def _seal(seq: int, finding_id: int, event: str, said: dict[str, Any], previous: str) -> str:
    whole = json.dumps([seq, finding_id, event, said, previous], sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()
