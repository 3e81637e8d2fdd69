"""Read delimited text: CSV as programs and people write it.

Owns the guess of the delimiter and what an unclosed quote means. The quote character is ``"``.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import chain, islice
from typing import Any

from crossmodal.chunking.pieces import Flaw
from crossmodal.chunking.tables.shapes import Grid, Rows
from crossmodal.chunking.text.encoding import decode_text
from crossmodal.errors import Refused

# From the rarest inside of values to the commonest: where two fit, the rarer one is meant.
_DELIMITERS = "\t;|,"
_SAMPLE_LINES, _SAMPLE_CHARS = 200, 65_536
_MAX_FIELD_CHARS = 16_000_000
# More than this behind one quote are rows; fewer may be the last cell of a file that was cut off.
_MANY_LINES = 100
_END = "\0"  # no line of the text, from which NUL was removed


def grids(data: bytes) -> Iterator[Grid]:
    """Yield the one table of a delimited text file.

    Raises:
        Refused: The bytes are empty or no text, or a cell is too large.
    """
    text = decode_text(data).text
    csv.field_size_limit(_MAX_FIELD_CHARS)
    delimiter = _delimiter(text)
    unclosed = _unclosed_quote(text, delimiter)
    dialect: dict[str, Any] = {"delimiter": delimiter}
    flaws: tuple[Flaw, ...] = ()
    if unclosed is not None:
        line, num_swallowed = unclosed
        detail = f"a quote in line {line} is never closed"
        if num_swallowed >= _MANY_LINES:
            dialect["quoting"] = csv.QUOTE_NONE
            detail += "; quotes are read as text"
        flaws = (Flaw("rows", "unclosed_quote", detail),)
    yield Grid(read=partial(_rows, text, dialect), flaws=flaws)


def _rows(text: str, dialect: dict[str, Any], _: bool) -> Rows:
    try:
        yield from csv.reader(_lines(text), **dialect)
    except csv.Error as error:
        raise Refused("decoder_error", f"this is no table: {error}") from error


def _lines(text: str) -> Iterator[str]:
    """Yield lines without a second copy of the text, as a stream over it would hold."""
    start = 0
    while start < len(text):
        stop = text.find("\n", start) + 1 or len(text)
        yield text[start:stop]
        start = stop


def _delimiter(text: str) -> str:
    lines = [line[:_SAMPLE_CHARS] for line in islice(_lines(text[:_SAMPLE_CHARS]), _SAMPLE_LINES)]
    if len(text) > _SAMPLE_CHARS and len(lines) > 1:
        lines.pop()  # cut off within a row
    shares = {delimiter: _share_of_equal_rows(lines, delimiter) for delimiter in _DELIMITERS}
    best = max(_DELIMITERS, key=lambda delimiter: shares[delimiter])
    return best if shares[best] else ","


def _share_of_equal_rows(lines: list[str], delimiter: str) -> float:
    """Return which part of the rows has the usual number of cells, 0 where that is one."""
    try:
        widths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
    except csv.Error:
        return 0.0
    usual, times = Counter(widths).most_common(1)[0] if widths else (1, 0)
    return times / len(widths) if usual > 1 else 0.0


def _unclosed_quote(text: str, delimiter: str) -> tuple[int, int] | None:
    """Return the line of a quote that swallows the rest and how many lines that is, or None."""
    reader = csv.reader(chain(_lines(text), [_END]), delimiter=delimiter)
    begun, num_lines, last = 1, 0, list[str]()
    try:
        for row in reader:
            last = row
            begun, num_lines = num_lines + 1, reader.line_num
    except csv.Error:
        return num_lines + 1, _MANY_LINES
    return None if last == [_END] else (begun, num_lines - begun)
