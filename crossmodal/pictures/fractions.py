"""Say which part of a picture or a page is meant, whatever size it is drawn at."""

from __future__ import annotations

Fractions = tuple[float, float, float, float]
"""Left, top, right and bottom, in shares of width and height."""


def pixels_of(part: Fractions, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return a part in pixels of a picture of this width and height, never empty."""
    (left, top, right, bottom), (width, height) = part, size
    x, y = min(round(left * width), width - 1), min(round(top * height), height - 1)
    return x, y, max(x + 1, round(right * width)), max(y + 1, round(bottom * height))
