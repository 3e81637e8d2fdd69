"""Cut a table into a description, groups of rows as text, and the pictures in its cells.

Owns the order of a table's chunks: the description, then each group of rows followed by the
pictures in them. The rows belong to the description, a picture to its rows. Refuses to fetch what
a cell only names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from crossmodal.chunking.pieces import CutTools, Flaw, Piece, Source
from crossmodal.chunking.rules import ChunkRules
from crossmodal.chunking.tables.shapes import CellImage, Column, RowGroup, TableHead
from crossmodal.chunking.tables.text import RowText, fields, head_text, packed
from crossmodal.errors import Refused
from crossmodal.sandbox.pool import run_in_child

REVISION = 1
MEDIA_PATTERNS = (
    "text/csv",
    "application/csv",
    "text/tab-separated-values",
    "application/vnd.apache.parquet",
    "application/x-parquet",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.ms-excel.sheet.macroenabled.12",
)
_MAX_LISTED_COLUMNS = 1000
_CAPTION_COLUMNS = {"caption", "alt", "alt_text", "title", "label", "description", "text"}
_FALSE = {"false", "no"}


def cut(source: Source, rules: ChunkRules, tools: CutTools) -> Iterator[Piece | Flaw]:
    """Yield pieces of kind ``table``, ``rows`` and ``cell_image``.

    Raises:
        Refused: The file is no table, holds no cell, or makes too many chunks.
    """
    if not source.data:
        raise Refused("empty", "the file has no bytes")
    number, at, head = 0, 0, None
    for part in _parts(source, rules):
        if isinstance(part, Flaw):
            yield part
            continue
        if isinstance(part, TableHead):
            head, at = part, number
            pieces = iter([_head_piece(source.name, part, tools)])
        else:
            assert head is not None
            pieces = _group_pieces(head, part, number, at, rules, tools)
        for piece in pieces:
            number += 1
            if number > rules.max_chunks:
                detail = f"the table makes more than {rules.max_chunks} chunks"
                raise Refused("too_many_chunks", detail)
            yield piece


def _parts(source: Source, rules: ChunkRules) -> Iterator[TableHead | RowGroup | Flaw]:
    from crossmodal.chunking.tables.parse import tables

    return run_in_child(
        tables,
        source.data,
        rules,
        yields=(TableHead, RowGroup, Flaw),
        max_seconds=rules.max_seconds,
        max_memory_bytes=rules.max_memory_bytes,
    )


def _head_piece(name: str, head: TableHead, tools: CutTools) -> Piece:
    columns = [
        {"name": column.name, "type": column.type} for column in head.columns[:_MAX_LISTED_COLUMNS]
    ]
    return Piece(
        kind="table",
        modality="text",
        text=head_text(name, head, tools),
        position={"rows": [0, head.num_rows]} | _sheet(head),
        facts={"columns": columns, "num_rows": head.num_rows, "num_columns": len(head.columns)},
    )


def _group_pieces(
    head: TableHead,
    group: RowGroup,
    number: int,
    table_at: int,
    rules: ChunkRules,
    tools: CutTools,
) -> Iterator[Piece]:
    """Yield the texts of a group, each followed by the pictures in its rows."""
    waiting = list(group.images)
    rows_at = table_at
    for text in packed(head.columns, group.start, group.rows, rules, tools):
        before = [image for image in waiting if image.row < text.start]
        for image in before:
            yield _image_piece(head, group, image, rows_at)
        waiting = waiting[len(before) :]
        number += len(before)
        yield _rows_piece(head, group, text, table_at)
        rows_at = number
        number += 1
    for image in waiting:
        yield _image_piece(head, group, image, rows_at)


def _rows_piece(head: TableHead, group: RowGroup, text: RowText, table_at: int) -> Piece:
    rows = group.rows[text.start - group.start : text.stop - group.start]
    return Piece(
        kind="rows",
        modality="text",
        text=text.text,
        parent=table_at,
        position={"rows": [text.start, text.stop]} | _sheet(head),
        facts={"values": _values(head, rows)},
    )


def _image_piece(head: TableHead, group: RowGroup, image: CellImage, parent: int) -> Piece:
    row = group.rows[image.row - group.start]
    captions = [
        cell
        for column, cell in zip(head.columns, row, strict=False)
        if cell and column.name.lower() in _CAPTION_COLUMNS
    ]
    return Piece(
        kind="cell_image",
        modality="image",
        text="; ".join(fields(head.columns, row)),
        picture=image.data,
        caption=captions[0] if captions else "",
        parent=parent,
        position={"row": image.row, "column": head.columns[image.column].name} | _sheet(head),
    )


def _sheet(head: TableHead) -> dict[str, Any]:
    return {"sheet": head.sheet} if head.sheet else {}


def _values(head: TableHead, rows: list[list[str]]) -> dict[str, list[Any]]:
    """Return the distinct values of each column worth filtering by, in the order of the rows."""
    values = {}
    for place, column in enumerate(head.columns):
        if column.is_filter:
            found = dict.fromkeys(row[place] for row in rows if place < len(row) and row[place])
            if found:
                values[column.name] = [_typed(text, column) for text in found]
    return values


def _typed(text: str, column: Column) -> Any:
    try:
        if column.type == "integer":
            return int(text)
        if column.type == "number":
            return float(text)
    except ValueError:
        return text
    return text.lower() not in _FALSE if column.type == "boolean" else text
