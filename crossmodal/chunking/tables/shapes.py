"""Define how a table travels: as read from a format, as described, and as groups of rows.

Owns the shapes only. A grid can be read twice, because a table is described before its rows come
and may be larger than memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from crossmodal.chunking.pieces import Flaw

MAX_COLUMNS = 10_000
Rows = Iterator[Sequence[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Hold one table of a file."""

    read: Callable[[bool], Rows]
    """Return the rows from the first on. True: to describe only, pictures may be left out."""
    sheet: str = ""
    names: tuple[str, ...] | None = None
    """Names of the columns where the format has them; else the first rows may."""
    types: dict[int, str] = field(default_factory=dict)
    """Types of columns by number, where the format knows better than the cells' text."""
    num_rows: int | None = None
    flaws: tuple[Flaw, ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """Describe one column."""

    name: str
    type: str
    """integer, number, boolean, date, text, image, data or empty."""
    samples: tuple[str, ...] = ()
    is_filter: bool = False
    """Few short values that repeat: worth filtering by."""


@dataclass(frozen=True, slots=True)
class TableHead:
    """Describe one table: sent before its rows."""

    sheet: str
    columns: tuple[Column, ...]
    num_rows: int
    title: str = ""
    """What stands above the header."""


@dataclass(frozen=True, slots=True)
class CellImage:
    """Hold the picture in a cell, still encoded."""

    row: int
    column: int
    data: bytes


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Hold some neighbouring rows as text; an empty cell is the empty string."""

    start: int
    rows: list[list[str]]
    images: list[CellImage]
