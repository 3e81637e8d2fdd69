"""Hold a table as text, and lay it out for a terminal, a log or Markdown.

Owns how cells are escaped and aligned, once for every table that this project shows.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossmodal.views.human import markdown_cell, printable

if TYPE_CHECKING:
    from rich.table import Table

_TEXT_WIDTH = 120


@dataclass(frozen=True, slots=True)
class TextTable:
    """Hold a table as text: columns after the first ``num_words`` are figures."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    num_words: int = 1

    def to_table(self) -> Table:
        """Return a table for the terminal."""
        from rich import box
        from rich.markup import escape
        from rich.table import Table

        table = Table(title=escape(self.title), title_justify="left", box=box.SIMPLE_HEAD)
        if not self.rows:  # the title tells why, and is not to be folded to the width of the header
            table.min_width = max(map(len, self.title.splitlines()), default=0)
        for index, name in enumerate(self.header):
            is_words = index < self.num_words
            table.add_column(
                name,
                justify="left" if is_words else "right",
                overflow="fold",
                no_wrap=not is_words,
            )
        for row in self.rows:
            table.add_row(*(escape(printable(cell)) for cell in row))
        return table

    def to_text(self) -> str:
        """Return the table without colours, as for a log."""
        from rich.console import Console

        buffer = io.StringIO()
        Console(file=buffer, width=_TEXT_WIDTH, no_color=True).print(self.to_table())
        return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()).strip("\n")

    def to_markdown(self) -> str:
        """Return a Markdown table; what a cell says is never read as Markdown."""
        rule = ["---" if i < self.num_words else "---:" for i in range(len(self.header))]
        cells = [[markdown_cell(cell) for cell in row] for row in self.rows]
        return "\n".join(f"| {' | '.join(row)} |" for row in [self.header, rule, *cells])
