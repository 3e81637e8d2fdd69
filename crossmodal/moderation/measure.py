"""Measure how far a vector lies on the side of what violates a policy, in units of chance.

The margin of a vector is the cosine of the nearest thing that violates the policy less half of that
of the nearest thing that it allows; once for the sentences and once for the examples, since the
cosines of words with pictures and of pictures with pictures have nothing in common. Each margin is
put into standard deviations of the margins that policies of the same shape, but of generic probes,
have in the same list; so scores of several modalities, models and policies compare. Pure
arithmetic: no model, no ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Channel = Literal["sentence", "example"]
CHANNELS: tuple[Channel, ...] = ("sentence", "example")
NUM_NEAREST = 3
"""Examples whose cosines are averaged: one alone may be an odd one."""
ALLOWED_WEIGHT = 0.5
"""At 1, what is near to nothing at all has a margin as high as a violation that is near to both."""
REVISION = "half-margin-1"
"""Names this measure; lists that were scored by another one are scored anew."""
NUM_DRAWS = 64
MAX_DRAWN = 4096
_SEED = 7
_QUANTILES = (0.99, 0.999)

Vectors = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Anchor:
    """Hold one thing that a policy speaks of, as the space of a list sees it."""

    channel: Channel
    violates: bool
    shown: str
    vector: Vectors
    """(dim,) unit vector."""
    is_decided: bool = False
    """Whether it was found above a threshold, so that it cannot say what lies below."""


@dataclass(frozen=True, slots=True)
class Null:
    """Hold what margins are by chance in one list: of policies that mean nothing in particular."""

    margins: Mapping[Channel, tuple[float, float]]
    """Mean and standard deviation by channel."""
    spread: float
    """Standard deviation of the mean over channels, each in its own units."""
    rare: tuple[float, float]
    """Scores that 1 % and 0.1 % of chance exceeds."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for the ledger."""
        return {"margins": dict(self.margins), "spread": self.spread, "rare": list(self.rare)}

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Null:
        """Return what ``to_dict`` said."""
        margins = {c: (said["margins"][c][0], said["margins"][c][1]) for c in said["margins"]}
        return cls(margins, said["spread"], (said["rare"][0], said["rare"][1]))


class Measure:
    """Score vectors of one list by the anchors of one policy."""

    def __init__(self, anchors: list[Anchor]) -> None:
        self.anchors = anchors
        self._groups = {
            (channel, violates): np.flatnonzero(
                [a.channel == channel and a.violates == violates for a in anchors]
            )
            for channel in CHANNELS
            for violates in (True, False)
        }
        self._matrix = np.stack([anchor.vector for anchor in anchors])

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Return the channels in which something violates the policy."""
        return tuple(c for c in CHANNELS if len(self._groups[c, True]))

    def size(self, channel: Channel, violates: bool) -> int:
        """Return how many anchors a side of a channel has."""
        return len(self._groups[channel, violates])

    def cosines(self, vectors: Vectors) -> Vectors:
        """Return the (n, num_anchors) cosines of (n, dim) unit vectors."""
        found: Vectors = vectors @ self._matrix.T
        return found

    def margins(self, cosines: Vectors) -> dict[Channel, Vectors]:
        """Return the (n,) margin of each channel."""
        return {
            channel: margin(
                cosines[:, self._groups[channel, True]],
                cosines[:, self._groups[channel, False]],
                channel,
            )
            for channel in self.channels
        }

    def scores(self, cosines: Vectors, null: Null) -> Scores:
        """Return the (n,) scores of vectors from their cosines with the anchors."""
        return scores(self.margins(cosines), null)

    def left_out(self, null: Null, *, written: bool = False) -> tuple[Scores, Scores]:
        """Return the scores of the examples that violate and of those allowed, each unseen.

        Each is scored by all anchors but itself. ``written``: without those that were decided.
        """
        own = [
            i
            for i, a in enumerate(self.anchors)
            if a.channel == "example" and not (written and a.is_decided)
        ]
        cosines = self.cosines(self._matrix[own])
        cosines[np.arange(len(own)), own] = np.nan
        found = self.scores(cosines, null)
        violates = np.array([self.anchors[i].violates for i in own], dtype=bool)
        return found[violates], found[~violates]

    def nearest(self, cosines: Vectors) -> dict[str, dict[str, Any]]:
        """Return the nearest anchor of each side and channel for one vector's cosines."""
        found = {}
        for (channel, violates), own in self._groups.items():
            if len(own):
                best = own[int(np.argmax(cosines[own]))]
                name = f"{channel}_{'violates' if violates else 'allowed'}"
                cosine = round(float(cosines[best]), 4)
                found[name] = {"shown": self.anchors[best].shown, "cosine": cosine}
        return found


def margin(violates: Vectors, allowed: Vectors, channel: Channel) -> Vectors:
    """Return how much nearer the violating side is; NaN marks an anchor that does not count."""
    depth = NUM_NEAREST if channel == "example" else 1
    near = _nearest_mean(violates, depth)
    if not allowed.shape[1]:
        return near
    return near - np.float32(ALLOWED_WEIGHT) * _nearest_mean(allowed, depth)


def _nearest_mean(cosines: Vectors, depth: int) -> Vectors:
    """Return the mean of the largest few of each row."""
    known = np.where(np.isnan(cosines), -np.inf, cosines)
    top = -np.sort(-known, axis=1)[:, :depth]
    usable = np.isfinite(top)
    summed: Vectors = np.where(usable, top, 0).sum(axis=1)
    counts: Vectors = np.maximum(usable.sum(axis=1), 1)
    return summed / counts


def scores(margins: Mapping[Channel, Vectors], null: Null) -> Scores:
    """Return the mean of the channels' margins in units of chance."""
    units = [
        (np.asarray(found, dtype=np.float64) - null.margins[channel][0]) / null.margins[channel][1]
        for channel, found in margins.items()
    ]
    combined: Scores = np.mean(units, axis=0) / null.spread
    return combined


def fit_null(measure: Measure, vectors: Vectors, probes: Vectors) -> Null:
    """Return what margins are by chance in a list.

    ``vectors`` is a sample of the list; ``probes`` are generic texts in its space. In place of
    sentences come probes, in place of examples other vectors of the list.
    """
    rng = np.random.default_rng(_SEED)
    if len(vectors) > MAX_DRAWN:
        vectors = vectors[rng.choice(len(vectors), MAX_DRAWN, replace=False)]
    drawn = {
        channel: _drawn_margins(measure, channel, vectors, probes, rng)
        for channel in measure.channels
    }
    margins = {c: (float(m.mean()), max(float(m.std()), 1e-6)) for c, m in drawn.items()}
    whole = scores(drawn, Null(margins, 1.0, (0.0, 0.0)))
    spread = max(float(whole.std()), 1e-6)
    rare = np.quantile(whole / spread, _QUANTILES)
    return Null(margins, spread, (float(rare[0]), float(rare[1])))


def _drawn_margins(
    measure: Measure, channel: Channel, vectors: Vectors, probes: Vectors, rng: np.random.Generator
) -> Vectors:
    """Return the margins of all vectors under policies of drawn anchors, one after another."""
    pool = probes if channel == "sentence" else vectors
    num_violates, num_allowed = measure.size(channel, True), measure.size(channel, False)
    cosines = vectors @ pool.T
    if channel == "example":
        np.fill_diagonal(cosines, np.nan)  # no vector is an example of itself
    found = []
    for _ in range(NUM_DRAWS):
        few = len(pool) < num_violates + num_allowed
        own = rng.choice(len(pool), num_violates + num_allowed, replace=few)
        found.append(
            margin(cosines[:, own[:num_violates]], cosines[:, own[num_violates:]], channel)
        )
    return np.concatenate(found)
