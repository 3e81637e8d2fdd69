"""Print the answers of the command line: one JSON document, or tables."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from crossmodal.views.text_table import TextTable

_PIPE_WIDTH = 160


def print_json(value: Any) -> None:
    """Print one JSON document; dates in ISO 8601, dataclasses as objects."""
    typer.echo(json.dumps(value, indent=2, default=_plain, ensure_ascii=False))


def print_tables(tables: list[TextTable]) -> None:
    """Print tables, as wide as the terminal, or wide enough for a long path into a pipe."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    console = Console(width=width, highlight=False)
    for table in tables:
        console.print(table.to_table())


def _plain(value: Any) -> Any:
    """Return a JSON-ready form of what the json module does not know."""
    from dataclasses import asdict, is_dataclass

    if isinstance(value, datetime):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value)
