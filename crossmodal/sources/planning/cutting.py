"""Settle the rules that sources are cut by: what was asked for by name, else the collection's own.

Owns which rules a collection remembers, and the words that say which of them changed. Invariant: a
run that names no rule cuts as the run before it did, so that it embeds nothing anew.
"""

from __future__ import annotations

from collections.abc import Collection as Names
from dataclasses import asdict, dataclass, replace
from typing import Any

from crossmodal.chunking.rules import REMEMBERED, ChunkRules
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import settings
from crossmodal.sources.planning.temp_tables import reading

# Not asked for by itself: it follows from the window.
_OVERLAP = "audio_overlap_s"


@dataclass(frozen=True, slots=True)
class Cutting:
    """Hold the rules of a run, and which of them are other than the collection's so far."""

    rules: ChunkRules
    changes: tuple[str, ...] = ()
    """Such as ``--chunk-tokens 12, was 128``."""
    is_noted: bool = True
    """Whether the collection remembers just these."""

    @property
    def notes(self) -> list[str]:
        """Return what a person should know of the changes."""
        changed = f"cut anew for {'; '.join(self.changes)}: later runs cut so too, unasked"
        return [changed] if self.changes else []


def settle_rules(collection: Collection, asked: ChunkRules, named: Names[str]) -> Cutting:
    """Return the rules to cut by: those that are named, and for the rest the collection's."""
    with reading(collection) as con:
        known = settings.cutting_rules(con) if con is not None else {}
    kept = {name: known[name] for name in known if name not in _with_overlap(named)}
    rules = replace(asked, **kept)
    changes = tuple(
        f"--{name.replace('_', '-')} {value}, was {known[name]}"
        for name, value in _noted(rules).items()
        if name in known and name != _OVERLAP and known[name] != value
    )
    return Cutting(rules, changes, known == _noted(rules))


def remember(collection: Collection, cutting: Cutting) -> None:
    """Let the collection remember the rules, where it does not."""
    if not cutting.is_noted:
        with collection.write() as con:
            settings.remember_cutting_rules(con, _noted(cutting.rules))


def _with_overlap(named: Names[str]) -> set[str]:
    return {*named, *([_OVERLAP] if "audio_window_s" in named else [])}


def _noted(rules: ChunkRules) -> dict[str, Any]:
    return {name: asdict(rules)[name] for name in (*REMEMBERED, _OVERLAP)}
