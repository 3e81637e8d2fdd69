"""Describe a table in one pass over its rows: header, types, samples, what to filter by.

Owns what is worth saying of a column; memory grows with the number of columns, not of rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import chain, islice
from typing import Any

from crossmodal.chunking.tables.cells import DATA_URI, cell_text
from crossmodal.chunking.tables.header import Header, distinct_names, find_header
from crossmodal.chunking.tables.shapes import MAX_COLUMNS, Column, Grid, Rows, TableHead
from crossmodal.errors import Refused

_HEADER_ROWS = 100
_NUM_SAMPLES = 3
_MAX_SAMPLE_CHARS = 40
_MAX_FILTER_VALUES = 50
_MAX_FILTER_CHARS = 64
_MAX_FILTERS = 50
_SMALL_TABLE_ROWS = 20
_DAY = r"[-/.]\d\d?"
_NARROW_TYPES: tuple[tuple[str, Callable[[str], Any]], ...] = (
    ("integer", re.compile(r"[-+]?(?:0|[1-9]\d{0,17})$").match),
    ("number", re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?$").match),
    ("boolean", re.compile(r"(?:true|false|yes|no)$", re.IGNORECASE).match),
    (
        "date",
        re.compile(r"(?:\d{4}[-/.]\d\d?[-/.]\d\d?|\d\d?[-/.]\d\d?[-/.]\d{4})(?:[T ]|$)").match,
    ),
)


class _ColumnProfile:
    """Take the cells of one column."""

    def __init__(self) -> None:
        self._candidates = list(_NARROW_TYPES)
        self._values: set[str] | None = set()
        self.samples: list[str] = []
        self.num_filled = 0
        self.holds_pictures = False

    def take(self, text: str) -> None:
        self.num_filled += 1
        while self._candidates and not self._candidates[0][1](text):
            self._candidates.pop(0)
        if len(self.samples) < _NUM_SAMPLES and text not in self.samples:
            self.samples.append(text)
        if self._values is not None:
            self._values.add(text)
            if len(self._values) > _MAX_FILTER_VALUES or len(text) > _MAX_FILTER_CHARS:
                self._values = None

    @property
    def type(self) -> str:
        if self.holds_pictures:
            return "image"
        if not self.num_filled:
            return "empty"
        return self._candidates[0][0] if self._candidates else "text"

    def is_filter(self, num_rows: int) -> bool:
        return bool(self._values) and 2 * len(self._values or ()) <= max(
            num_rows, _SMALL_TABLE_ROWS
        )


def describe(grid: Grid, max_rows: int) -> tuple[TableHead, int] | None:
    """Return a table's head and how many rows precede the data, or None for an empty table.

    Raises:
        Refused: The table has too many rows or columns.
    """
    if grid.num_rows is not None:
        _check_rows(grid.num_rows, max_rows)
    rows = data_rows(grid, light=True)
    first = list(islice(rows, _HEADER_ROWS))
    header = _header_of(grid, first)
    profiles: list[_ColumnProfile] = []
    num_rows = 0
    for row in chain(first[header.num_rows :], rows):
        num_rows += 1
        _check_rows(num_rows, max_rows)
        _take_row(profiles, row)
    num_columns = max(len(profiles), len(header.names))
    if not num_columns:
        return None
    _check_columns(num_columns)
    profiles.extend(_ColumnProfile() for _ in range(num_columns - len(profiles)))
    columns = _columns(grid, profiles, distinct_names(header.names, num_columns), num_rows)
    return TableHead(grid.sheet, columns, num_rows, header.title), header.num_rows


def data_rows(grid: Grid, *, light: bool) -> Rows:
    """Return a grid's rows without the blank ones, which only formats without columns have."""
    rows = grid.read(light)
    return filter(_is_filled, rows) if grid.names is None else rows


def _header_of(grid: Grid, first: Sequence[Sequence[Any]]) -> Header:
    if grid.names is not None:
        return Header(0, grid.names, "")
    return find_header([[cell_text(cell) for cell in row[:MAX_COLUMNS]] for row in first])


def _is_filled(row: Sequence[Any]) -> bool:
    return any(cell.strip() if isinstance(cell, str) else cell is not None for cell in row)


def _take_row(profiles: list[_ColumnProfile], row: Sequence[Any]) -> None:
    if len(row) > len(profiles):
        _check_columns(len(row))
        profiles.extend(_ColumnProfile() for _ in range(len(row) - len(profiles)))
    for profile, cell in zip(profiles, row, strict=False):
        text = cell_text(cell)
        if text:
            profile.take(text)
        elif isinstance(cell, str) and cell.startswith(DATA_URI):
            profile.holds_pictures = True


def _columns(
    grid: Grid, profiles: list[_ColumnProfile], names: tuple[str, ...], num_rows: int
) -> tuple[Column, ...]:
    columns, num_filters = [], 0
    for place, (name, profile) in enumerate(zip(names, profiles, strict=True)):
        is_filter = num_filters < _MAX_FILTERS and profile.is_filter(num_rows)
        num_filters += is_filter
        samples = tuple(sample[:_MAX_SAMPLE_CHARS] for sample in profile.samples)
        column_type = grid.types.get(place, profile.type)
        columns.append(Column(name, column_type, samples, is_filter))
    return tuple(columns)


def _check_rows(num_rows: int, max_rows: int) -> None:
    if num_rows > max_rows:
        raise Refused("too_many_chunks", f"the table has more than {max_rows} rows")


def _check_columns(num_columns: int) -> None:
    if num_columns > MAX_COLUMNS:
        raise Refused(
            "too_many_columns", f"the table has {num_columns} columns; the limit is {MAX_COLUMNS}"
        )
