"""Read and show what a collection holds."""

from __future__ import annotations

from prefect.artifacts import create_markdown_artifact

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read import status as counts
from crossmodal.views.keys import collection_key
from crossmodal.views.text_table import TextTable
from tasks.stage import showing, stage


@stage("read status")
def read_status(collection: str) -> counts.Status:
    """Return what the collection holds and how its last runs went."""
    opened = Collection(collection)
    with opened.read() as con:
        return counts.status(con, opened)


@stage("publish status")
def publish_status(found: counts.Status, grids: list[TextTable]) -> None:
    """Show the collection's tables in the Prefect UI."""
    sections = (f"## {grid.title}\n\n{grid.to_markdown()}" for grid in grids)
    with showing():
        create_markdown_artifact(
            "\n\n".join(sections),
            key=collection_key("status", found.path),
            description=f"What {found.path} holds",
        )
