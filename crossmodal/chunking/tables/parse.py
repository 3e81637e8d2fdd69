"""Read one table file in the parser's child process: heads, groups of rows, and what is lost.

Owns the choice of the reader, which the first bytes make, and the walk: a table is described
first, then read again group by group, so that memory holds one group. A sheet that cannot be read
is a flaw; a file without any table is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from crossmodal.chunking.pieces import Flaw
from crossmodal.chunking.rules import ChunkRules
from crossmodal.chunking.tables import csv, parquet, xlsx
from crossmodal.chunking.tables.cells import MAX_CELL_CHARS, cell_image, cell_text
from crossmodal.chunking.tables.profile import data_rows, describe
from crossmodal.chunking.tables.shapes import CellImage, Grid, RowGroup, TableHead
from crossmodal.errors import Refused

_NAMED_CELLS = 5
Part = TableHead | RowGroup | Flaw


def tables(data: bytes, rules: ChunkRules) -> Iterator[Part]:
    """Yield each table's head, then its rows in groups, then its flaws.

    Raises:
        Refused: No table in it, damaged from the beginning, or too large.
    """
    num_tables = 0
    refusals: list[Flaw] = []
    for grid in _grids(data):
        try:
            for part in _table(grid, rules):
                num_tables += isinstance(part, TableHead)
                yield part
        except Refused as refused:
            if not grid.sheet or refused.reason == "too_many_chunks":
                raise
            refusals.append(Flaw(f"sheet {grid.sheet}", refused.reason, refused.detail))
    if not num_tables and refusals:
        raise Refused(refusals[0].reason, refusals[0].detail)
    if not num_tables:
        raise Refused("no_content", "the file holds no cell with a value")
    yield from refusals


def _grids(data: bytes) -> Iterator[Grid]:
    if data.startswith(b"PAR1"):
        return parquet.grids(data)
    if data.startswith(b"PARE"):
        raise Refused("encrypted", "the Parquet file is encrypted")
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06", b"\xd0\xcf\x11\xe0")):
        return xlsx.grids(data)
    return csv.grids(data)


def _table(grid: Grid, rules: ChunkRules) -> Iterator[Part]:
    described = describe(grid, rules.max_chunks * rules.rows_per_chunk)
    if described is None:
        return
    head, num_skipped = described
    yield head
    losses = _Losses(head)
    rows = islice(data_rows(grid, light=False), num_skipped, None)
    for start in range(0, head.num_rows, rules.rows_per_chunk):
        yield _group(start, list(islice(rows, rules.rows_per_chunk)), losses)
    yield from grid.flaws
    yield from losses.flaws()


def _group(start: int, rows: list[Sequence[Any]], losses: _Losses) -> RowGroup:
    texts, images = [], []
    for number, row in enumerate(rows, start):
        texts.append([cell_text(cell) for cell in row])
        losses.check(number, texts[-1])
        for place, cell in enumerate(row):
            if not isinstance(cell, str | bytes | dict):
                continue
            try:
                data = cell_image(cell)
            except ValueError:
                losses.add_image(number, place)
                continue
            if data is not None:
                images.append(CellImage(number, place, data))
    return RowGroup(start, texts, images)


class _Losses:
    """Count the cells that are not embedded whole, and name the first few."""

    def __init__(self, head: TableHead) -> None:
        self._head = head
        self._long: list[str] = []
        self._images: list[str] = []
        self._num_long = self._num_images = 0

    def check(self, row: int, texts: list[str]) -> None:
        """Cut the texts of a row that are too long."""
        for place, text in enumerate(texts):
            if len(text) > MAX_CELL_CHARS:
                texts[place] = text[:MAX_CELL_CHARS]
                self._num_long += 1
                self._name(self._long, row, place)

    def add_image(self, row: int, place: int) -> None:
        self._num_images += 1
        self._name(self._images, row, place)

    def flaws(self) -> Iterator[Flaw]:
        if self._num_long:
            detail = f"{self._num_long} cells hold more than {MAX_CELL_CHARS} characters"
            yield Flaw(", ".join(self._long), "cell_cut", f"{detail}; the rest is not embedded")
        if self._num_images:
            detail = f"{self._num_images} pictures in cells cannot be decoded"
            yield Flaw(", ".join(self._images), "decoder_error", detail)

    def _name(self, named: list[str], row: int, place: int) -> None:
        if len(named) < _NAMED_CELLS:
            named.append(f"row {row}, column {self._head.columns[place].name}")
