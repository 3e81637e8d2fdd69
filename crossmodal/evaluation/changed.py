"""Show the queries that changed most as pictures: what was found before, beside what is now."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import duckdb

from crossmodal.errors import PathError
from crossmodal.evaluation.compare import Changed
from crossmodal.ledger.evaluation_records import QueryResult
from crossmodal.ledger.read.chunks import find_chunk
from crossmodal.previews.contact_sheet import QueryRow, contact_sheet
from crossmodal.records import Hit

_COLUMNS = 3


def changed_sheet(con: duckdb.DuckDBPyConnection, changed: Sequence[Changed], out: Path) -> None:
    """Write a PNG with a row a query: left what the first version found, right the second.

    Raises:
        PathError: the file cannot be written.
    """
    befores = [_row(con, change.before, change) for change in changed]
    afters = [_row(con, change.after, change) for change in changed]
    with tempfile.TemporaryDirectory(prefix="crossmodal-changed-") as folder:
        halves = [Path(folder) / "before.png", Path(folder) / "after.png"]
        contact_sheet(_even(befores, afters), halves[0], _COLUMNS)
        contact_sheet(_even(afters, befores), halves[1], _COLUMNS)
        _beside(halves, out)


def _row(con: duckdb.DuckDBPyConnection, query: QueryResult, change: Changed) -> QueryRow:
    rank = f"rank {query.first_rank}" if query.first_rank else "not found"
    is_after = query is change.after
    title = f"{'after' if is_after else 'before'}, {rank}: {query.title.rsplit('/', 1)[-1]}"
    return QueryRow(title, _hits(con, query))


def _hits(con: duckdb.DuckDBPyConnection, query: QueryResult) -> list[Hit]:
    shown = []
    for rank, (chunk_id, score) in enumerate(
        zip(query.top_chunks[:_COLUMNS], query.top_scores, strict=False), 1
    ):
        known = find_chunk(con, chunk_id)
        if known:
            shown.append(replace(known.hit, rank=rank, score=score))
    return shown


def _even(rows: Sequence[QueryRow], others: Sequence[QueryRow]) -> list[QueryRow]:
    """Return the rows, cut where the row beside has fewer hits, so that both halves are level."""
    return [
        QueryRow(row.title, row.hits[: len(other.hits)] if other.hits else [])
        for row, other in zip(rows, others, strict=True)
    ]


def _beside(halves: Sequence[Path], out: Path) -> None:
    from PIL import Image

    with Image.open(halves[0]) as left, Image.open(halves[1]) as right:
        size = (left.width + right.width, max(left.height, right.height))
        sheet = Image.new("RGB", size, "#ffffff")
        sheet.paste(left, (0, 0))
        sheet.paste(right, (left.width, 0))
    part = out.parent / f".{out.name}.{os.getpid()}.part"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(part, "PNG")
        part.replace(out)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise PathError(f"cannot write {out}: {error.strerror or error}") from error
