"""Make model versions live."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from crossmodal.evaluation.judge import Judgement, refuse_worse
from crossmodal.ledger.collection import Collection
from crossmodal.models import promotion
from crossmodal.views.keys import collection_key
from crossmodal.views.text_table import TextTable
from tasks.stage import showing, stage


@stage("judge")
def judged_versions(collection: str, named: dict[str, str], set_path: str) -> list[Judgement]:
    """Return how the versions do on a set, if there is one; end Failed where one is worse."""
    return refuse_worse(collection, named, set_path) if set_path else []


@stage("propose")
def proposal(
    collection: str, named: dict[str, str], allow_partial: bool, judged: list[Judgement]
) -> str:
    """Show and return what a person decides on, in Markdown: what changes, and the figures."""
    change = promotion.proposed_in(Collection(collection), named, allow_partial=allow_partial)
    tables = [_changes(change), *(table for found in judged for table in found.tables())]
    figures = "\n\n".join(f"### {table.title}\n\n{table.to_markdown()}" for table in tables)
    with showing():
        create_markdown_artifact(
            figures,
            key=collection_key("proposal", collection),
            description="What searches would use from then on",
        )
    return figures


def _changes(change: promotion.Promotion) -> TextTable:
    rows = [
        (
            modality,
            change.before.get(modality, ""),
            f"{change.vectors_before.get(modality, 0):,}",
            label,
            f"{change.vectors[modality]:,}",
        )
        for modality, label in change.after.items()
    ]
    names = ("modality", "live now", "vectors", "proposed", "vectors")
    return TextTable("Proposed model versions", names, rows, num_words=1)


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
