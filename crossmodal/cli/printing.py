"""Print the answers of the command line: one JSON document, or tables."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import typer

from crossmodal.views.plain import plain

if TYPE_CHECKING:
    from crossmodal.views.text_table import TextTable

_PIPE_WIDTH = 160


def print_json(value: Any) -> None:
    """Print one JSON document; dates in ISO 8601, dataclasses as objects."""
    typer.echo(json.dumps(value, indent=2, default=plain, ensure_ascii=False))


def print_paths(paths: Iterable[str]) -> None:
    """Print each path once, a line each; of none nothing, so that a pipe gets no empty name."""
    for path in dict.fromkeys(paths):
        typer.echo(path)


def print_tables(tables: list[TextTable]) -> None:
    """Print tables, as wide as the terminal, or wide enough for a long path into a pipe."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    console = Console(width=width, highlight=False)
    for table in tables:
        console.print(table.to_table())
