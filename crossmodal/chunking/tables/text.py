"""Write tables as text that an encoder can read: heads, and rows packed into passages.

Owns the wording ``column: value; column: value`` and that no text is longer than the encoder
reads. A row that does not fit is divided between its cells, a cell between its words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from crossmodal.chunking.passages.blocks import Block
from crossmodal.chunking.passages.passages import passages
from crossmodal.chunking.pieces import CutTools
from crossmodal.chunking.rules import ChunkRules
from crossmodal.chunking.tables.shapes import Column, TableHead

_CELL_BREAK, _ROW_BREAK = "; ", "\n"


@dataclass(frozen=True, slots=True)
class RowText:
    """Hold the text of some neighbouring rows, or of a part of one."""

    start: int
    stop: int
    text: str


def fields(columns: Sequence[Column], row: Sequence[str]) -> list[str]:
    """Return ``column: value`` for each cell that holds something."""
    return [f"{column.name}: {cell}" for column, cell in zip(columns, row, strict=False) if cell]


def packed(
    columns: Sequence[Column],
    start: int,
    rows: Sequence[Sequence[str]],
    rules: ChunkRules,
    tools: CutTools,
) -> Iterator[RowText]:
    """Yield the rows in as few texts as the encoder can read; ``start`` numbers the first."""
    lines = [_CELL_BREAK.join(fields(columns, row)) for row in rows]
    whole = RowText(start, start + len(rows), _ROW_BREAK.join(filter(None, lines)))
    if tools.measure.count(whole.text) <= tools.measure.max_tokens:
        yield from [whole] if whole.text else []
        return
    for first, stop in _runs(lines, tools):
        text = _ROW_BREAK.join(filter(None, lines[first:stop]))
        if tools.measure.count(text) <= tools.measure.max_tokens:
            yield RowText(start + first, start + stop, text)
            continue
        for number in range(first, stop):  # one row as a rule: more only where sums deceive
            cells = fields(columns, rows[number])
            for part in _divided(cells, rules, tools):
                yield RowText(start + number, start + number + 1, part)


def _runs(lines: Sequence[str], tools: CutTools) -> Iterator[tuple[int, int]]:
    """Yield ranges of lines whose tokens, counted one by one, the encoder reads together."""
    first, num_tokens = 0, 0
    for number, line in enumerate(lines):
        num_more = tools.measure.count(line) + 1
        if number > first and num_tokens + num_more > tools.measure.max_tokens + 1:
            yield first, number
            first, num_tokens = number, 0
        num_tokens += num_more
    yield first, len(lines)


def _divided(cells: list[str], rules: ChunkRules, tools: CutTools) -> Iterator[str]:
    """Yield the cells of one row in texts that fit; a cell that does not is divided itself."""
    limit = tools.measure.max_tokens
    held = ""
    for cell in cells:
        joined = f"{held}{_CELL_BREAK}{cell}" if held else cell
        if tools.measure.count(joined) <= limit:
            held = joined
            continue
        if held:
            yield held
        held = cell
        if tools.measure.count(cell) > limit:
            *whole, held = _words(cell, rules, tools)
            yield from whole
    if held:
        yield held


def _words(text: str, rules: ChunkRules, tools: CutTools) -> list[str]:
    plain = replace(rules, text_chunker="recursive", overlap_tokens=0)
    return [piece.text for piece in passages([Block(text=text)], plain, tools)] or [""]


def head_text(name: str, head: TableHead, tools: CutTools) -> str:
    """Return what a table is about, with as much detail as the encoder reads."""
    sheet = f", sheet {head.sheet}" if head.sheet else ""
    title = f" {head.title}." if head.title else ""
    begin = f"Table {name}{sheet}.{title} {head.num_rows} rows. Columns: "
    for num_samples in (3, 1, 0):
        text = begin + ", ".join(_column_text(column, num_samples) for column in head.columns)
        if tools.measure.count(text) <= tools.measure.max_tokens:
            return text
    names = [column.name for column in head.columns]
    return _first_that_fit(begin, names, tools)


def _first_that_fit(begin: str, names: list[str], tools: CutTools) -> str:
    """Return as many names as fit, or as much of the beginning."""
    fits, too_many = 0, len(names) + 1
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        text = begin + ", ".join(names[:middle])
        if tools.measure.count(text) <= tools.measure.max_tokens:
            fits = middle
        else:
            too_many = middle
    text = begin + ", ".join(names[:fits])
    offsets = tools.measure.offsets(text)[: tools.measure.max_tokens]
    return text[: offsets[-1][1]] if offsets else text


def _column_text(column: Column, num_samples: int) -> str:
    samples = column.samples[:num_samples]
    such_as = f", such as {', '.join(samples)}" if samples else ""
    return f"{column.name} ({column.type}{such_as})"
