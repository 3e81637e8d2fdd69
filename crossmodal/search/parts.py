"""Ask one query of many parts: ``"a beach" + photo.jpg - 0.5 * "people"``.

Owns how parts are written and how their vectors are mixed; how a mixed query is answered is the
search's business. Each part loses the mean of its modality before the mixing and the mixture gets
it back, so it lies where queries of its kind lie and its scores mean what theirs mean. Invariant:
a query of a single part is that part, to the last bit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from crossmodal.errors import FilterError
from crossmodal.search.centring import Centring, Space, normalised, space_of
from crossmodal.search.examples import Example

if TYPE_CHECKING:
    from crossmodal.records import VectorList

Floats = npt.NDArray[np.float32]

MAX_PARTS = 16
_MAX_WEIGHT = 100.0
_NUMBER = r"\d{1,3}(?:\.\d{1,4})?"
_WEIGHED = re.compile(rf"\s*({_NUMBER})\s*[*:]\s*(?=\S)(.*)", re.DOTALL)
_PIECE = re.compile(
    rf"""\s*(?P<weight>{_NUMBER}\s*[*:]\s*)?
    (?:"(?P<quoted>[^"]*)"|(?P<bare>[^"\s](?:[^"]*?[^"\s])?))
    (?:\s+(?P<sign>[+-])\s+(?=\S)|\s*$)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Part:
    """Hold one part of a query: a chunk id, a path, a URL or a text, and how much it counts."""

    given: str
    weight: float = 1.0
    """Above 0 for what is wanted, below 0 for what is not."""
    is_text: bool = False
    """Read as a text whatever it looks like: a client may not have a server read files."""


def is_expression(text: str) -> bool:
    """Say whether a text is written as a sum: signs between spaces, and some part in quotes."""
    outside = re.sub(r'"[^"]*"', '""', text)
    return '""' in outside and re.search(r"\s[+-]\s", outside) is not None


def parse_parts(text: str) -> list[Part]:
    """Return the parts of ``"a beach" + photo.jpg - 0.5 * "people"``.

    Signs stand between spaces, texts in double quotes; what is bare is a path or a text as it is.
    A weight stands before its part, as ``2 * "red"`` or, as rclip writes it, ``2:red``.

    Raises:
        FilterError: it cannot be understood, or nothing is wanted.
    """
    parts, place, sign = [], 0, 1.0
    while place < len(text):
        match = _PIECE.match(text, place)
        if match is None:
            raise FilterError(
                f"cannot understand {text[place : place + 80]!r} in the query: write "
                '"a beach" + photo.jpg - 0.5 * "people", each sign between spaces'
            )
        weight = float((match["weight"] or "1").strip(" *:\t\n"))
        parts.append(Part((match["quoted"] or match["bare"] or "").strip(), sign * weight))
        sign, place = (-1.0 if match["sign"] == "-" else 1.0), match.end()
        if match["sign"] is None:
            break
    return checked(parts)


def parts_of(first: Sequence[str], plus: Sequence[str], minus: Sequence[str]) -> list[Part]:
    """Return the parts of a query that a command was given: the texts, and what to add and take.

    Raises:
        FilterError: nothing is wanted, or a part is empty or weighs nothing.
    """
    added = [_weighed(given, 1.0) for given in plus]
    taken = [_weighed(given, -1.0) for given in minus]
    return checked([*(Part(given) for given in first), *added, *taken])


def checked(parts: list[Part]) -> list[Part]:
    """Return the parts, or refuse a query that asks for nothing.

    Raises:
        FilterError: nothing is wanted, there are too many parts, or one is empty or weighs nothing.
    """
    if not any(part.weight > 0 for part in parts):
        raise FilterError("a query needs a part that is wanted: `-` and --minus only take away")
    if len(parts) > MAX_PARTS:
        raise FilterError(f"a query of {len(parts)} parts is too long: give up to {MAX_PARTS}")
    for part in parts:
        if not part.given.strip():
            raise FilterError("a part of the query is empty: leave it out, or say what it is")
        if not 0 < abs(part.weight) <= _MAX_WEIGHT or not math.isfinite(part.weight):
            raise FilterError(
                f"{part.given!r} cannot weigh {abs(part.weight):g}: give above 0 up to "
                f"{_MAX_WEIGHT:g}"
            )
    return parts


def title_of(parts: Sequence[Part]) -> str:
    """Return the parts as a sum that ``parse_parts`` reads again."""
    written = []
    for place, part in enumerate(parts):
        sign = "- " if part.weight < 0 else "+ " if place else ""
        weight = "" if abs(part.weight) == 1 else f"{abs(part.weight):g} * "
        written.append(f'{sign}{weight}"{part.given}"')
    return " ".join(written)


def _weighed(given: str, sign: float) -> Part:
    match = _WEIGHED.fullmatch(given)
    return Part(match[2].strip(), sign * float(match[1])) if match else Part(given.strip(), sign)


def combine(
    parts: Sequence[tuple[Example, float]], lists: Sequence[VectorList], centring: Centring
) -> dict[VectorList, Floats]:
    """Return the query as a (dim,) float32 unit vector for each list that a wanted part can ask.

    Takes each example with its weight. In a list the parts count by their weight over how much a
    similarity of their modality with the list's usually is: otherwise pictures, which are nearer
    to pictures than any text is, would drown the words beside them.
    """
    mixed = {held: _mixed(parts, space_of(held), centring) for held in lists}
    return {held: vector for held, vector in mixed.items() if vector is not None}


def _mixed(parts: Sequence[tuple[Example, float]], own: Space, centring: Centring) -> Floats | None:
    seen = [(_space_in(example, own), example, weight) for example, weight in parts]
    asking = [(space, example.vectors[space], w) for space, example, w in seen if space]
    wanted = [(space, vector, weight) for space, vector, weight in asking if weight > 0]
    if not wanted:
        return None
    if len(asking) == 1:
        return wanted[0][1]
    rests = np.stack([vector - _mean(centring, space, vector) for space, vector, _ in asking])
    counts = np.array([w / centring.spread(space, own) for space, _, w in asking], np.float32)
    direction = normalised(counts @ normalised(rests))
    weights = np.array([weight for _, _, weight in asking], np.float32).clip(min=0)
    weights /= weights.sum()
    length = float(weights @ np.linalg.norm(rests, axis=1))
    means = np.stack([_mean(centring, space, vector) for space, vector, _ in asking])
    return normalised(weights @ means + length * direction)


def _mean(centring: Centring, space: Space, vector: Floats) -> Floats:
    mean = centring.means.get(space)
    return np.zeros_like(vector) if mean is None else mean


def _space_in(example: Example, own: Space) -> Space | None:
    """Return where an example lies in a list's space: in the list's own modality if it can."""
    inside = [space for space in example.vectors if space.fingerprint == own.fingerprint]
    return own if own in inside else inside[0] if inside else None
