"""Say in words how good a hit is, and whether anything stands out at all.

The limits are on merit (see ``vectors.calibration.merit``). They were fixed before anything was
measured, by what merit means: how many chunks of a list would look as good to a generic question.
What they let through is in docs/quality.md.
"""

from __future__ import annotations

from typing import Literal, get_args

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


def strength_of(merit: float) -> Strength:
    """Return the word for a merit."""
    if merit >= STRONG:
        return "strong"
    return "likely" if merit >= LIKELY else "weak"


def least_merit(strength: str | None) -> float:
    """Return the merit that a hit of at least this strength has; minus infinity for any."""
    return {"strong": STRONG, "likely": LIKELY}.get(strength or "", float("-inf"))
