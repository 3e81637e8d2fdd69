"""Find the header of a table whose format has none, and give every column a name of its own.

Owns a guess: the header is the first row that is about as full as the others and holds only
distinct, short words. What stands above it is the table's title.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_SEARCHED_ROWS = 20
_SAMPLE_ROWS = 100
_FULL_ENOUGH = 0.5
_MAX_NAME_CHARS = 100
_MAX_TITLE_CHARS = 1000
VALUE_LIKE = re.compile(
    r"[-+(]?[$€£¥]?\s?\d[\d\s.,'/:%)-]*(?:[eE][-+]?\d+)?\s?[%€$£]?$"
    r"|(?:true|false|nan)$"
    r"|\d{4}-\d\d-\d\dT",
    re.IGNORECASE,
)
"""Begins like a number, a date or a truth value, which name no column."""


@dataclass(frozen=True, slots=True)
class Header:
    """Say which rows are no data, and what they tell."""

    num_rows: int
    """How many rows from the first belong to title and header."""
    names: tuple[str, ...]
    title: str


def find_header(sample: Sequence[Sequence[str]]) -> Header:
    """Return the header of a table from its first rows, as text."""
    rows = sample[:_SAMPLE_ROWS]
    fullness = [sum(map(bool, row)) for row in rows]
    usual = sorted(fullness)[len(fullness) // 2] if fullness else 0
    for number, row in enumerate(rows[:_SEARCHED_ROWS]):
        is_title = usual > 1 and fullness[number] == 1 and bool(row[0])
        if fullness[number] >= max(1, _FULL_ENOUGH * usual) and not is_title:
            return _header_at(number, row, rows)
    return Header(0, (), "")


def _header_at(number: int, row: Sequence[str], rows: Sequence[Sequence[str]]) -> Header:
    above = " ".join(cell for line in rows[:number] for cell in line if cell)
    if _names_columns(row, rows[number + 1 :]):
        return Header(number + 1, tuple(row), above[:_MAX_TITLE_CHARS])
    return Header(0, (), "")


def _names_columns(row: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    words = [cell for cell in row if cell]
    if len(set(words)) < len(words) or any(map(VALUE_LIKE.match, words)):
        return False
    if any(len(word) > _MAX_NAME_CHARS for word in words):
        return False
    # A first row of data has values that come again further down; names do not.
    again = sum(
        any(cell == line[place] for line in below if place < len(line))
        for place, cell in enumerate(row)
        if cell
    )
    return again * 2 < len(words) or not below


def distinct_names(names: Sequence[str], num_columns: int) -> tuple[str, ...]:
    """Return a name for every column: given, or ``column_3``; a repeated one gets a number."""
    seen: Counter[str] = Counter()
    distinct = []
    for place in range(num_columns):
        given = " ".join(names[place].split())[:_MAX_NAME_CHARS] if place < len(names) else ""
        name = given or f"column_{place + 1}"
        seen[name] += 1
        distinct.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return tuple(distinct)
