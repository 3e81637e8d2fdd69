"""What people decided teaches the next run, as long as it stands, and the log still adds up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from crossmodal.ledger.read.findings import Finding, findings
from crossmodal.ledger.write import reviews
from crossmodal.ledger.write.forget import forget
from crossmodal.ledger.write.policies import kept_vectors
from crossmodal.ledger.write.reviews import Act
from crossmodal.ledger.write.runs import RunStart
from crossmodal.moderation.audit import Audit, audit
from tests.moderation.world import VIOLATES, World, policy

ANN, BOB = Act(actor="Ann"), Act(actor="Bob")


LEARNS = policy(**{"version: 3": "version: 3\nlearn: true"})


@pytest.fixture
def found(world: World) -> World:
    """Return a collection of sixty chunks in which three violate a policy that learns."""
    world.add(*np.random.default_rng(1).uniform(-0.3, 0.3, 57), 0.9, 0.92, 0.94)
    world.moderate(LEARNS)
    return world


def of(world: World, state: str | None = "open") -> list[Finding]:
    with world.collection.read() as con:
        return findings(con, state)


def do(world: World, what: Any, *given: Any) -> Any:
    with world.collection.write() as con:
        return what(con, *given)


def checked(world: World) -> Audit:
    with world.collection.read() as con:
        return audit(con)


def test_a_decided_chunk_is_an_example_of_the_next_run_and_no_model_is_loaded(
    found: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_model(*_: Any) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("crossmodal.encoders.cache.load_version", no_model)
    first, second = (f.finding_id for f in of(found)[:2])
    do(found, reviews.decide, first, "violates", ANN)
    do(found, reviews.decide, second, "allowed", ANN)
    tally, _ = found.moderate(LEARNS, run_id="taught")
    assert tally.num_scored == 60
    assert {f.finding_id for f in of(found, "violates")} == {first}
    evidence = [f.evidence for f in of(found) if f.run_id == "taught"]
    assert all("example_violates" in each and "example_allowed" in each for each in evidence)
    again, _ = found.moderate(LEARNS, run_id="again")
    assert (again.num_scored, again.num_new) == (0, 0)


def test_every_decision_comes_out_again_whatever_was_decided_since(found: World) -> None:
    for number in range(3):
        open_ones = of(found)
        if open_ones:
            do(
                found,
                reviews.decide,
                open_ones[0].finding_id,
                ("violates", "allowed")[number % 2],
                ANN,
            )
        found.add(0.9 - number / 50)
        found.moderate(LEARNS, run_id=f"round {number}")
    result = checked(found)
    assert result.problems == ()
    assert result.num_reproduced == result.num_decisions >= 2


def test_what_is_taken_back_or_objected_to_teaches_nothing(found: World) -> None:
    number = of(found)[0].finding_id

    def is_taught() -> bool:
        tally, _ = found.moderate(LEARNS)
        return bool(tally.num_scored)

    do(found, reviews.decide, number, "violates", ANN)
    assert is_taught()
    do(found, reviews.appeal, number, BOB)
    assert is_taught()  # scored anew, without it
    with found.collection.read() as con:
        assert "taught" in of(found)[0].evidence
        assert of(found)[0].evidence["taught"] == LEARNS.content_hash
        assert "decided" in {role for role, _ in kept_vectors(con, found.model.id or 0)}
    do(found, reviews.settle_appeal, number, "overturn", BOB)
    assert is_taught()  # as an example of what is allowed
    assert not is_taught()
    assert checked(found).holds


def test_decisions_by_a_former_version_of_the_policy_teach_nothing(found: World) -> None:
    do(found, reviews.decide, of(found)[0].finding_id, "violates", ANN)
    newer = policy(**{"version: 3": "version: 4\nlearn: true"})
    found.moderate(newer)
    assert {f.evidence["taught"] for f in of(found)} == {newer.content_hash}
    found.teach({"a bear": 0.1})
    reworded = policy(**{"version: 3": "version: 3\nlearn: true", VIOLATES: "a bear"})
    found.moderate(reworded)
    assert all(f.evidence["taught"] != reworded.content_hash for f in of(found))


def test_what_somebody_holds_stays_theirs_while_others_decide(found: World) -> None:
    held = do(found, reviews.take_next, ANN)
    other = next(f for f in of(found) if f.finding_id != held.finding_id)
    do(found, reviews.decide, other.finding_id, "violates", BOB)
    found.moderate(LEARNS)
    assert do(found, reviews.decide, held.finding_id, "allowed", ANN).state == "allowed"
    assert checked(found).holds


def test_a_policy_that_does_not_learn_stays_as_it_is_written(world: World) -> None:
    world.add(*np.random.default_rng(1).uniform(-0.3, 0.3, 57), 0.9, 0.92, 0.94)
    world.moderate(policy())
    do(world, reviews.decide, of(world)[0].finding_id, "violates", ANN)
    tally, _ = world.moderate(policy())
    assert tally.num_scored == 0
    assert policy().content_hash != LEARNS.content_hash


def test_what_is_forgotten_teaches_no_more_and_is_not_kept(found: World) -> None:
    decided = of(found)[0]
    do(found, reviews.decide, decided.finding_id, "violates", ANN)
    found.moderate(LEARNS)
    with found.collection.write() as con:
        forget(
            con, RunStart(run_id="gone", flow="forget", params={}, code_version="0"), decided.uri
        )
    with found.collection.read() as con:
        assert "decided" not in {role for role, _ in kept_vectors(con, found.model.id or 0)}
    found.moderate(LEARNS)
    assert {f.evidence["taught"] for f in of(found)} == {LEARNS.content_hash}
    assert checked(found).holds
