"""Say in words how good a hit is, and whether anything stands out at all.

The limits are on merit (see ``vectors.calibration.merit``). They were fixed before anything was
measured, by what merit means: how many chunks of a list would look as good to a generic question.
What they let through is in docs/quality.md. Where people judged enough hits of a collection, limits
that were fitted to that stand in their place.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from crossmodal.ledger.write.strength_limits import limits_for
from crossmodal.vectors.calibration.probe_bank import REVISION

if TYPE_CHECKING:
    import duckdb

    from crossmodal.records import VectorList

Strength = Literal["strong", "likely", "weak"]
STRENGTHS: tuple[Strength, ...] = get_args(Strength)
"""Best first."""

LIKELY = 2.0
"""Merit from which a hit stands out: e^-2, or 0.14 chunks, would look as good by chance."""
STRONG = 5.0
"""e^-5, or 0.007 chunks."""

NOTHING = (
    "nothing stands out: the hits are the nearest there are, and may have nothing to do with it"
)
NO_HITS = "no hits: nothing in the collection passes all that was asked for"


@dataclass(frozen=True, slots=True)
class Limits:
    """Hold the merits from which on hits are likely and strong."""

    likely: float = LIKELY
    strong: float = STRONG


BY_CHANCE = Limits()


def limits_of(con: duckdb.DuckDBPyConnection, lists: Iterable[VectorList]) -> Limits:
    """Return the limits for hits of these lists: fitted to judgements where they were."""
    versions = {held.version.id or 0 for held in lists}
    kept = limits_for(con, versions, REVISION) if versions else None
    if kept is None:
        return BY_CHANCE
    likely = LIKELY if kept.likely is None else kept.likely
    return Limits(likely, max(likely, STRONG if kept.strong is None else kept.strong))


def strength_of(merit: float, limits: Limits = BY_CHANCE) -> Strength:
    """Return the word for a merit."""
    if merit >= limits.strong:
        return "strong"
    return "likely" if merit >= limits.likely else "weak"


def least_merit(strength: str | None, limits: Limits = BY_CHANCE) -> float:
    """Return the merit that a hit of at least this strength has; minus infinity for any."""
    known = {"strong": limits.strong, "likely": limits.likely}
    return known.get(strength or "", float("-inf"))
