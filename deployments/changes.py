"""Say what became of the objects on a Prefect server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Action = Literal["created", "updated", "unchanged"]


@dataclass(frozen=True, slots=True)
class Change:
    """Say what happened to one object on the server."""

    kind: Literal["work pool", "work queue", "deployment", "automation"]
    name: str
    action: Action
    does: str = ""
    """The first line of its description, for people who tell them apart."""


def first_line(description: str | None) -> str:
    """Return what an object does, of a description that goes on with when and how."""
    return (description or "").partition("\n")[0]
