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
