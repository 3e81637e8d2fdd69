"""Leases, decisions and the log: nobody decides twice, nothing is forgotten or forged."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from crossmodal.errors import PathError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.findings import Finding, find_finding, findings
from crossmodal.ledger.write import reviews
from crossmodal.ledger.write.reviews import Act, HeldByAnother, NoSuchFinding, ReviewError
from crossmodal.moderation.audit import audit
from crossmodal.moderation.statements import export, statements
from tests.moderation.world import World, policy

ANN, BOB = Act(actor="Ann"), Act(actor="Bob")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def do(world: World, what: Any, *given: Any) -> Any:
    with world.collection.write() as con:
        return what(con, *given)


def take(world: World, act: Act) -> Finding | None:
    return do(world, reviews.take_next, act)


def checked(world: World) -> Any:
    with world.collection.read() as con:
        return audit(con)


def test_reviewers_who_ask_at_once_never_hold_the_same_item(found: World) -> None:
    def one(number: int) -> int | None:
        own = Collection(found.collection.path)
        with own.write() as con:
            taken = reviews.take_next(con, Act(actor=f"reviewer {number}"))
        return taken and taken.finding_id

    with ThreadPoolExecutor(5) as pool:
        taken = list(pool.map(one, range(5)))
    held = [number for number in taken if number is not None]
    assert len(held) == len(set(held)) == 3


def test_the_most_urgent_comes_first_and_to_its_holder_again(found: World) -> None:
    first = take(found, ANN)
    assert first is not None
    again = take(found, ANN)
    assert again is not None
    assert again.finding_id == first.finding_id
    with found.collection.read() as con:
        assert first.finding_id == findings(con)[0].finding_id


def test_a_lease_that_ran_out_is_anybodys_and_no_longer_the_formers(found: World) -> None:
    held = take(found, Act(actor="Ann", at=NOON))
    with pytest.raises(HeldByAnother, match=r"Ann holds finding \d+ until 12:10:00 UTC"):
        do(found, reviews.decide, held.finding_id, "allowed", Act(actor="Bob", at=NOON))
    later = NOON + timedelta(minutes=11)
    assert take(found, Act(actor="Bob", at=later)).finding_id == held.finding_id
    with pytest.raises(HeldByAnother):
        do(found, reviews.decide, held.finding_id, "allowed", Act(actor="Ann", at=later))


def test_what_was_skipped_comes_after_the_others(found: World) -> None:
    order = []
    for _ in range(4):
        order.append(take(found, ANN).finding_id)
        do(found, reviews.skip, order[-1], ANN)
    assert len(set(order[:3])) == 3
    assert order[3] == order[0]


def test_decide_undo_appeal_and_overturn_leave_a_log_that_adds_up(found: World) -> None:
    number = take(found, ANN).finding_id
    do(found, reviews.decide, number, "allowed", ANN)
    do(found, reviews.undo, number, BOB)
    decided = do(found, reviews.decide, number, "violates", Act(actor="Ann", reason="A wolf."))
    assert (decided.state, decided.holder) == ("violates", None)
    do(found, reviews.appeal, number, Act(actor="owner", note="It is a dog."))
    with pytest.raises(ReviewError, match="settle the appeal"):
        do(found, reviews.undo, number, ANN)
    overturned = do(found, reviews.settle_appeal, number, "overturn", BOB)
    assert (overturned.state, overturned.appeal) == ("allowed", "overturned")
    with found.collection.read() as con:
        log = reviews.events(con, number)
    assert [e.event for e in log] == ["decide", "undo", "decide", "appeal", "overturn"]
    assert log[2].said["reason"] == "A wolf."
    assert log[2].said["finding"]["score"] == decided.score
    result = checked(found)
    assert result.holds
    assert (result.num_decisions, result.num_reproduced) == (2, 2)


@pytest.mark.parametrize(
    ("what", "given", "told"),
    [
        (reviews.undo, (1, ANN), "no decision to undo"),
        (reviews.appeal, (1, ANN), "only a decision that something violates"),
        (reviews.settle_appeal, (1, "uphold", ANN), "no open appeal"),
        (reviews.settle_appeal, (1, "ignore", ANN), "'ignore' is no verdict"),
        (reviews.decide, (1, "maybe", ANN), "'maybe' is no decision"),
        (reviews.decide, (1, "allowed", Act(actor=" ")), "say who decides"),
        (reviews.decide, (1, "allowed", Act(actor="A", note="x" * 5000)), "at most 4,000"),
    ],
)
def test_what_is_not_possible_is_told_in_a_sentence(
    found: World, what: Any, given: tuple[Any, ...], told: str
) -> None:
    with pytest.raises(ReviewError, match=told):
        do(found, what, *given)
    assert checked(found).num_events == 0


def test_a_finding_is_decided_once_and_one_that_is_not_there_never(found: World) -> None:
    do(found, reviews.decide, 1, "allowed", ANN)
    with pytest.raises(ReviewError, match="is allowed, no longer open"):
        do(found, reviews.decide, 1, "violates", BOB)
    with pytest.raises(NoSuchFinding, match="no finding 99"):
        do(found, reviews.decide, 99, "violates", BOB)


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        ("UPDATE review_event SET said = replace(said, 'Ann', 'Eve') WHERE seq = 2", "was changed"),
        ("DELETE FROM review_event WHERE seq = 2", "one is missing"),
        ("UPDATE finding SET state = 'violates' WHERE finding_id = 1", "add up to allowed"),
        ("UPDATE policy SET said = replace(said, 'wolf', 'lamb')", "is not the one it names"),
    ],
)
def test_whatever_is_forged_is_found(found: World, harm: str, told: str) -> None:
    for number in (1, 2, 3):
        do(found, reviews.decide, number, "allowed", ANN)
    assert checked(found).holds
    do(found, lambda con: con.execute(harm))
    assert told in " ".join(checked(found).problems)


def test_a_decision_is_made_out_again_after_the_measure_has_changed(found: World) -> None:
    do(found, reviews.decide, 1, "violates", ANN)
    found.add(*[0.1] * 80)
    found.moderate(policy(), run_id="again")
    result = checked(found)
    assert result.holds
    assert result.num_reproduced == 1


def test_statements_name_what_was_decided_why_and_by_whom(found: World, tmp_path: Path) -> None:
    hostile = Act(actor="Ann", reason='<script>alert("1")</script>\x1b[2J', at=NOON)
    do(found, reviews.decide, 1, "violates", hostile)
    do(found, reviews.decide, 2, "allowed", ANN)
    with found.collection.read() as con:
        assert export(con, tmp_path / "out.jsonl") == 1
        finding = find_finding(con, 1)
    (line,) = (tmp_path / "out.jsonl").read_text().splitlines()
    said = json.loads(line)
    assert said["decision_ground"] == "DECISION_GROUND_INCOMPATIBLE_CONTENT"
    assert said["incompatible_content_ground"] == "No wolves (policy wolves, version 3)"
    assert said["decision_visibility"] == ["DECISION_VISIBILITY_OTHER"]
    assert said["automated_detection"] == "Yes"
    assert said["automated_decision"] == "AUTOMATED_DECISION_NOT_AUTOMATED"
    assert said["application_date"] == "2026-01-01"
    assert said["content_type"] == ["CONTENT_TYPE_IMAGE"]
    assert f"score {finding.score:.2f}" in said["decision_facts"]
    assert "/photos" not in line
    assert "\x1b" not in said["incompatible_content_explanation"]


def test_what_a_policy_hid_by_itself_is_exported_as_decided_by_no_person(found: World) -> None:
    text = {"severity: high": "action: hide\nthresholds: {review: 2, first: 2}"}
    found.moderate(policy(**text))
    with found.collection.read() as con:
        said = list(statements(con))
    assert {s["automated_decision"] for s in said} == {"AUTOMATED_DECISION_FULLY"}
    assert {tuple(s["decision_visibility"]) for s in said} == {
        ("DECISION_VISIBILITY_CONTENT_DISABLED",)
    }


def test_an_export_that_cannot_be_written_is_told(found: World, tmp_path: Path) -> None:
    with found.collection.read() as con, pytest.raises(PathError, match="cannot be written"):
        export(con, tmp_path / "nowhere" / "out.jsonl")
