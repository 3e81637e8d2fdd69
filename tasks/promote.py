"""Make model versions live."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from prefect.artifacts import create_table_artifact

from crossmodal.evaluation.judge import refuse_worse
from crossmodal.ledger.collection import Collection
from crossmodal.models import promotion
from tasks.stage import collection_key, showing, stage


@stage("judge")
def refuse_worse_versions(collection: str, named: dict[str, str], set_path: str) -> None:
    """End Failed where a set does not show a version to be as good as the live one."""
    refuse_worse(collection, named, set_path)


@stage("promote")
def promote_versions(
    collection: str, named: dict[str, str], allow_partial: bool, why: str
) -> dict[str, Any]:
    """Make the named model versions live; show and return what they replace."""
    opened = Collection(collection)
    change = promotion.promote_in(opened, named, allow_partial=allow_partial, why=why)
    rows = [
        {"modality": m, "was": change.before.get(m, ""), "is": label, "vectors": change.vectors[m]}
        for m, label in change.after.items()
    ]
    with showing():
        create_table_artifact(
            rows,
            key=collection_key("promoted", collection),
            description="Which model version serves which modality from now on",
        )
    return asdict(change)
