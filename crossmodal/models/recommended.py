"""Tell which models to take for a use, with what was published of them and where.

Owns one table, ``recommended.toml``, which the command prints and README.md shows; nothing here was
measured by us.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

USES = ("photos", "documents", "sound", "films", "languages", "small")


@dataclass(frozen=True, slots=True)
class Recommended:
    """Hold one model and what speaks for it."""

    id: str
    uses: tuple[str, ...]
    """Of USES."""
    label: str
    """The use in words."""
    option: str
    """The option of ``crossmodal index`` that takes it."""
    dims: int
    licence: str
    why: str
    figure: str
    """As it was published."""
    source: str
    url: str


@cache
def recommended() -> tuple[Recommended, ...]:
    """Return the table, in its order."""
    text = (files("crossmodal.models") / "recommended.toml").read_text("utf-8")
    rows = tomllib.loads(text)["model"]
    return tuple(Recommended(uses=tuple(row.pop("for")), **row) for row in rows)


def for_use(use: str) -> list[Recommended]:
    """Return what to take for a use; everything where none is named."""
    return [row for row in recommended() if not use or use in row.uses]


def markdown(rows: Sequence[Recommended]) -> str:
    """Return the rows as the table of README.md."""
    lines = [
        "| for | model | dims | licence | published figure | source |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row.label} | `{row.id}` | {row.dims} | {row.licence} | {row.figure} | "
        f"[{row.source}]({row.url}) |"
        for row in rows
    ]
    return "\n".join(lines)
