"""Offer to take a run back: ``undo``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from crossmodal.cli.options import DEFAULT_COLLECTION, CollectionOption, JsonOption
from crossmodal.cli.printing import print_json, print_tables

if TYPE_CHECKING:
    from crossmodal.ledger.write.undo import Undoable
    from crossmodal.views.text_table import TextTable


def undo(
    run: Annotated[
        str, typer.Argument(help="Id of a run; left out: list what can be undone.")
    ] = "",
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Put the collection back as it was before RUN; nothing is embedded, and it can be undone."""
    from crossmodal.ledger.collection import Collection
    from crossmodal.runs.undo_run import undo_run, undoable_runs

    opened = Collection(collection)
    if not run:
        listed = undoable_runs(opened)
        print_json(listed) if as_json else print_tables([_table(listed)])
        return
    done = undo_run(opened, run)
    if as_json:
        print_json(done)
        return
    from crossmodal.views.human import counted

    typer.echo(f"undid run {done.undid[:8]} on {counted(done.num_sources, 'source')}")
    typer.echo(f"vectors: {done.num_vectors_back:,} back, {done.num_vectors_gone:,} gone")
    typer.echo(f"to undo that: crossmodal undo {done.run_id[:8]} -c {collection}")


def _table(listed: list[Undoable]) -> TextTable:
    from crossmodal.views.human import human_bytes
    from crossmodal.views.text_table import TextTable

    rows = [
        [
            each.run_id[:8],
            each.flow,
            f"undid {each.undoes[:8]}" if each.undoes else "",
            f"by {each.undone_by[:8]}" if each.undone_by else "",
            f"{each.started_at:%Y-%m-%d %H:%M} UTC",
            f"{each.num_sources:,}",
            human_bytes(each.num_bytes) if each.num_bytes is not None else "",
        ]
        for each in listed
    ]
    header = ["run", "flow", "", "undone", "started", "sources", "kept"]
    return TextTable("Runs that can be undone", header, rows, num_words=4)
