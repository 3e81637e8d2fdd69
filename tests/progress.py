"""Progress that remembers what it was told."""

from __future__ import annotations

from crossmodal.runs.progress import NullProgress


class Heard(NullProgress):
    """Remember every amount and every file, in the order in which they came."""

    def __init__(self) -> None:
        self.amounts: list[float] = []
        self.begun: list[str] = []
        self.ended: list[str] = []

    def advance(self, amount: float) -> None:
        self.amounts.append(amount)

    def begin(self, name: str) -> None:
        self.begun.append(name)

    def end(self, name: str) -> None:
        self.ended.append(name)
