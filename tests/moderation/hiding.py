"""Have a reviewer hide chunks, as a finding that was decided so."""

from __future__ import annotations

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.findings import findings
from crossmodal.ledger.write import reviews
from crossmodal.ledger.write.findings import FoundBy, NewFinding, add_findings
from crossmodal.ledger.write.policies import keep_policy
from crossmodal.ledger.write.reviews import Act
from tests.moderation.world import policy

ANN = Act(actor="Ann")


def hide(collection: Collection, *chunk_ids: int) -> list[int]:
    """Return the numbers of the findings that hide these chunks now, in their order."""
    found_by = FoundBy(
        policy_id="wolves",
        policy_hash=policy().content_hash,
        model_version_id=1,
        modality="image",
        run_id="run",
    )
    evidence = {"uri": "/x", "thresholds": {"review": 1.0, "first": 2.0, "by": "hand"}}
    new = [
        NewFinding(chunk_id=i, score=3.0, is_first=False, is_hidden=False, evidence=evidence)
        for i in chunk_ids
    ]
    with collection.write() as con:
        keep_policy(con, "wolves", policy().content_hash, policy().to_json(), "run")
        add_findings(con, found_by, new)
        by_chunk = {f.chunk_id: f.finding_id for f in findings(con)}
        for i in chunk_ids:
            reviews.decide(con, by_chunk[i], "violates", ANN, hide=True)
    return [by_chunk[i] for i in chunk_ids]


def undo(collection: Collection, finding_id: int) -> None:
    with collection.write() as con:
        reviews.undo(con, finding_id, ANN)
