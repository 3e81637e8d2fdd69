"""Prove the review log: no entry was touched, and each decision can be made out again.

A decision is made out again from what the ledger keeps: the policy's text as it was, the vectors of
its sentences and examples, the measure of chance, and the chunk's own vector. No model is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossmodal.errors import ModelMismatch
from crossmodal.ledger.read.findings import find_finding
from crossmodal.ledger.read.stored_vectors import vector_of
from crossmodal.ledger.write.model_versions import by_id
from crossmodal.ledger.write.policies import AnchorKey, kept_policy, kept_vectors
from crossmodal.ledger.write.reviews import Event, events, folded
from crossmodal.moderation.anchors import anchors_of
from crossmodal.moderation.measure import Measure, Null, Vectors
from crossmodal.moderation.policy import Policy
from crossmodal.records import VectorList

if TYPE_CHECKING:
    import duckdb

TOLERANCE = 1e-3
"""Between a score as it was found and as it is made out again; sums of float32 differ by order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Say whether the log holds."""

    num_events: int
    num_decisions: int
    num_reproduced: int
    """Decisions whose score came out again."""
    num_gone: int
    """Decisions on chunks that have no vector any more: only the log speaks of them."""
    problems: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Return whether nothing is wrong."""
        return not self.problems


def audit(con: duckdb.DuckDBPyConnection) -> Audit:
    """Check the chain of hashes, the states that the entries add up to, and every decision."""
    log = events(con)
    decisions = [entry for entry in log if entry.event == "decide"]
    kept: dict[int, dict[AnchorKey, Vectors]] = {}
    outcomes = [_made_out_again(con, entry, kept) for entry in decisions]
    wrong = [outcome for outcome in outcomes if isinstance(outcome, str)]
    return Audit(
        num_events=len(log),
        num_decisions=len(decisions),
        num_reproduced=sum(outcome is True for outcome in outcomes),
        num_gone=sum(outcome is None for outcome in outcomes),
        problems=(*_chain_problems(log), *_state_problems(con, log), *wrong),
    )


def _chain_problems(log: list[Event]) -> list[str]:
    problems, previous = [], ""
    for number, entry in enumerate(log, start=1):
        if entry.seq != number or entry.previous != previous:
            problems.append(f"entry {entry.seq} does not follow the one before it: one is missing")
        elif not entry.is_whole:
            problems.append(f"entry {entry.seq} was changed after it was written")
        previous = entry.hash
    return problems


def _state_problems(con: duckdb.DuckDBPyConnection, log: list[Event]) -> list[str]:
    problems = []
    for finding_id, (state, objection) in folded(log).items():
        found = find_finding(con, finding_id)
        told = (found.state, found.appeal) if found else ("missing", "")
        # An open finding may be withdrawn later on; that is no decision.
        if told != (state, objection) and not (state == "open" and told[0] == "withdrawn"):
            problems.append(f"finding {finding_id} is {told[0]}, but its entries add up to {state}")
    return problems


def _made_out_again(
    con: duckdb.DuckDBPyConnection, entry: Event, kept: dict[int, dict[AnchorKey, Vectors]]
) -> bool | str | None:
    """Return True where the score comes out again, None where there is no vector, or a problem."""
    finding: dict[str, Any] = entry.said["finding"]
    number = finding["model_version_id"]
    policy_hash = finding["evidence"].get("taught", finding["policy_hash"])
    said = kept_policy(con, finding["policy_id"], policy_hash)
    try:
        held = VectorList(by_id(con, number), finding["modality"])
    except ModelMismatch:
        return None
    vector = vector_of(con, held, finding["chunk_id"])
    if vector is None:
        return None
    if number not in kept:
        kept[number] = kept_vectors(con, number)
    policy = Policy.of(said)
    if policy.content_hash != policy_hash:
        return f"entry {entry.seq}: the policy {policy.id} that is kept is not the one it names"
    try:
        measure = Measure(anchors_of(policy, held, kept[number]))
    except KeyError:
        return None  # an example was decided in a file that is forgotten
    null = Null.of(finding["evidence"]["null"])
    score = float(measure.scores(measure.cosines(vector[None]), null)[0])
    if abs(score - finding["score"]) > TOLERANCE:
        return f"entry {entry.seq}: its score was {finding['score']:.4f} and is now {score:.4f}"
    return True
