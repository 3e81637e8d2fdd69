"""Say in words how good a hit is, and whether anything stands out at all.

The limits are on merit (see ``vectors.calibration.merit``), which does not drift as a collection
grows, and were chosen on photos and abstracts that no benchmark asks about (docs/quality.md).
"""

from __future__ import annotations

from typing import Literal, get_args

Strength = Literal["strong", "likely", "weak"]
STRENGTHS: tuple[Strength, ...] = get_args(Strength)
"""Best first."""

LIKELY = 2.0
"""Merit from which a hit stands out."""
STRONG = 5.0

NOTHING = (
    "nothing stands out: the hits are the nearest there are, and may have nothing to do with it"
)


def strength_of(merit: float) -> Strength:
    """Return the word for a merit."""
    if merit >= STRONG:
        return "strong"
    return "likely" if merit >= LIKELY else "weak"


def least_merit(strength: str | None) -> float:
    """Return the merit that a hit of at least this strength has; minus infinity for any."""
    return {"strong": STRONG, "likely": LIKELY}.get(strength or "", float("-inf"))
