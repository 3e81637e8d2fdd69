"""Lay out profiles and comparisons as tables, for a terminal and for Markdown.

Owns columns and their order, once for both forms; refuses to compute (``profile``).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.profiling.plain import (
    human_bytes,
    human_rate,
    human_seconds,
    markdown_cell,
    percent,
    printable,
)
from tasks.profiling.profile import OperatorProfile, Profile, Ratio, StageProfile

if TYPE_CHECKING:
    from rich.table import Table

# Shares that do not add up by less than this are rounding, not a finding.
_LEAST_REMAINDER = 0.01
_TEXT_WIDTH = 120


@dataclass(frozen=True, slots=True)
class Grid:
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
        return "\n".join(line.rstrip() for line in buffer.getvalue().strip("\n").splitlines())

    def to_markdown(self) -> str:
        """Return a Markdown table; what a cell says is never read as Markdown."""
        rule = ["---" if i < self.num_words else "---:" for i in range(len(self.header))]
        cells = [[markdown_cell(cell) for cell in row] for row in self.rows]
        return "\n".join(f"| {' | '.join(row)} |" for row in [self.header, rule, *cells])


def profile_grid(profile: Profile) -> Grid:
    """Return one row a stage, each followed by its operators."""
    rows: list[list[str]] = []
    for stage in profile.stages:
        rows.append(_stage_row(stage))
        rows += [_operator_row(operator) for operator in stage.operators]
    remainder = 1 - sum(stage.share for stage in profile.stages)
    if profile.stages and remainder > _LEAST_REMAINDER:
        spent = human_seconds(remainder * profile.wall_s)
        rows.append(["(between stages)", spent, percent(remainder), "", "", "", ""])
    header = ("stage", "time", "share", "items", "items/s", "bytes/s", "calls")
    title = f"{human_seconds(profile.wall_s)} on {profile.num_cores} cores"
    return Grid(title, header, rows)


def comparison_grid(ratios: list[Ratio]) -> Grid:
    """Return one row a stage or operator: this run, the earlier one, and the speed-up."""
    header = ("stage", "time", "earlier", "items/s", "earlier items/s", "speed-up")
    return Grid("compared with the earlier run", header, [_ratio_row(ratio) for ratio in ratios])


def _stage_row(stage: StageProfile) -> list[str]:
    return [
        stage.name,
        human_seconds(stage.wall_s),
        percent(stage.share),
        *_amounts(stage),
        "",
    ]


def _operator_row(operator: OperatorProfile) -> list[str]:
    return [
        f"· {operator.name}",
        human_seconds(operator.busy_s),
        f"busy {percent(operator.utilisation)}",
        *_amounts(operator),
        f"{operator.num_calls:,}",
    ]


def _amounts(row: StageProfile | OperatorProfile) -> list[str]:
    items = f"{row.num_items:,}" if row.num_items else ""
    rate = human_rate(row.items_per_s) if row.num_items else ""
    volume = f"{human_bytes(row.bytes_per_s)}/s" if row.bytes_per_s else ""
    return [items, rate, volume]


def _ratio_row(ratio: Ratio) -> list[str]:
    return [
        f"· {ratio.operator}" if ratio.operator else ratio.stage,
        _seconds_cell(ratio.seconds),
        _seconds_cell(ratio.earlier_seconds),
        human_rate(ratio.items_per_s),
        human_rate(ratio.earlier_items_per_s),
        "-" if ratio.speedup is None else f"{ratio.speedup:.2f} x",
    ]


def _seconds_cell(seconds: float | None) -> str:
    return "-" if seconds is None else human_seconds(seconds)
