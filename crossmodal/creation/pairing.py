"""Pair assets across modalities: pictures with texts, sounds with clips, one to one or to many.

The best sum over all pairs is found exactly (scipy's linear_sum_assignment). Similarities are freed
of each modality's mean and of hubs first: what is near to everything would take the best place of
many (CSLS; Conneau and others, ICLR 2018). Invariant: one to one, no asset is in two pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from crossmodal.creation.assets import Assets, assets_in
from crossmodal.creation.extra import needed
from crossmodal.errors import FilterError, ModelMismatch
from crossmodal.ledger.collection import Collection
from crossmodal.records import VectorList
from crossmodal.search.centring import centring_of
from crossmodal.search.lists import choose_lists
from crossmodal.search.options import QueryOptions
from crossmodal.views.human import counted
from crossmodal.views.text_table import TextTable

if TYPE_CHECKING:
    import duckdb

Floats = npt.NDArray[np.float32]
How = Literal["one-to-one", "one-to-many"]

MAX_ASSETS = 10_000
"""On either side: to pair 10,000 with 10,000 takes 400 MB for the similarities alone."""
_NUM_HUB = 10
STRONG, LIKELY = 0.5, 0.1
"""Strengths from which a pair is called strong, or likely; the others are weak."""
_SHARPNESS = 1.5


@dataclass(frozen=True, slots=True)
class Pair:
    """Hold two assets that belong together."""

    one: str
    other: str
    strength: float
    """From 0 to 1: how clearly each is the other's best among all, a share and no probability."""
    chunk_ids: tuple[int, int]
    """The two chunks that are nearest."""

    @property
    def word(self) -> str:
        """Return strong, likely or weak."""
        return (
            "strong" if self.strength >= STRONG else "likely" if self.strength >= LIKELY else "weak"
        )


@dataclass(frozen=True, slots=True)
class Pairing:
    """Hold the pairs, strongest first, and what is left."""

    pairs: list[Pair]
    left_one: list[str]
    left_other: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        pairs = [asdict(pair) | {"word": pair.word} for pair in self.pairs]
        return {"pairs": pairs, "left_one": self.left_one, "left_other": self.left_other}

    def to_text_table(self) -> TextTable:
        """Return a table: a row a pair."""
        rows = [(p.one, p.other, p.word, f"{p.strength:.2f}") for p in self.pairs]
        left = len(self.left_one) + len(self.left_other)
        title = counted(len(self.pairs), "pair") + (
            f", {counted(left, 'asset')} left" if left else ""
        )
        return TextTable(title, ("one", "other", "", "strength"), rows, num_words=3)


def pair(collection: str, one: str, other: str, how: How = "one-to-one") -> Pairing:
    """Return what of two folders, files or globs belongs together.

    One to one, each asset is in at most one pair; one to many, each of ``other`` goes to its best
    of ``one``.

    Raises:
        PathError: a side is not indexed.
        ModelMismatch: no space holds both sides.
        FilterError: there are too many assets.
    """
    opened = Collection(collection)
    with opened.read() as con:
        lists = choose_lists(con, opened.path, QueryOptions(collection=collection))
        left, right = _sides(con, lists, one, other)
    if max(len(left.uris), len(right.uris)) > MAX_ASSETS:
        raise FilterError(
            f"{len(left.uris)} and {len(right.uris)} assets are too many to pair: name smaller "
            f"folders, of up to {MAX_ASSETS} each"
        )
    free = without_hubs(_similarities(left, right))
    rows, columns = matched(free, how)
    shares = strengths(free)
    pairs = [
        Pair(left.uris[i], right.uris[j], float(shares[i, j]), _nearest_chunks(left, right, i, j))
        for i, j in zip(rows.tolist(), columns.tolist(), strict=True)
    ]
    pairs.sort(key=lambda found: (-found.strength, found.one, found.other))
    used, also_used = {p.one for p in pairs}, {p.other for p in pairs}
    return Pairing(
        pairs,
        [uri for uri in left.uris if uri not in used],
        [uri for uri in right.uris if uri not in also_used],
    )


def _sides(
    con: duckdb.DuckDBPyConnection, lists: Sequence[VectorList], one: str, other: str
) -> tuple[Assets, Assets]:
    """Return both sides in the space that holds most of them."""
    centring = centring_of(con, lists)
    spaces = list(dict.fromkeys(held.version for held in lists))
    found: list[tuple[Assets, Assets]] = []
    for version in spaces:
        inside = [held for held in lists if held.version == version]
        left, right = (assets_in(con, inside, named, centring) for named in (one, other))
        if left and right:
            found.append((left, right))
    if not found:
        raise ModelMismatch(
            f"no model of the collection sees both {one} and {other}: pair what one model reads, "
            "such as pictures with texts, or sounds with texts"
        )
    return max(found, key=lambda sides: len(sides[0].uris) * len(sides[1].uris))


def _similarities(left: Assets, right: Assets) -> Floats:
    """Return (n, m) cosines: of the two nearest chunks of each pair of assets."""
    cosines = left.matrix @ right.matrix.T
    starts = np.searchsorted(left.owners, np.arange(len(left.uris)))
    also = np.searchsorted(right.owners, np.arange(len(right.uris)))
    nearest = np.maximum.reduceat(np.maximum.reduceat(cosines, starts, axis=0), also, axis=1)
    return np.asarray(nearest, np.float32)


def _nearest_chunks(left: Assets, right: Assets, i: int, j: int) -> tuple[int, int]:
    """Return the ids of the two nearest chunks of two assets."""
    mine, other = np.flatnonzero(left.owners == i), np.flatnonzero(right.owners == j)
    cosines = left.matrix[mine] @ right.matrix[other].T
    row, column = divmod(int(cosines.argmax()), len(other))
    return int(left.chunk_ids[mine[row]]), int(right.chunk_ids[other[column]])


def without_hubs(similarities: Floats) -> Floats:
    """Return (n, m) similarities less half of what each asset has with its nearest ten."""
    rows, columns = (_mean_of_largest(each) for each in (similarities, similarities.T))
    return np.asarray(similarities - 0.5 * rows[:, None] - 0.5 * columns[None, :], np.float32)


def _mean_of_largest(similarities: Floats) -> Floats:
    num = min(_NUM_HUB, similarities.shape[1])
    largest = np.partition(similarities, -num, axis=1)[:, -num:]
    return np.asarray(largest.mean(axis=1), np.float32)


def matched(similarities: Floats, how: How) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the rows and columns of (n, m) similarities that belong together.

    Raises:
        FilterError: there is no such way to pair.
        ExtraMissing: scipy is not installed.
    """
    if how == "one-to-many":
        columns = np.arange(similarities.shape[1])
        return np.asarray(similarities.argmax(axis=0), np.int64), columns
    if how != "one-to-one":
        raise FilterError(f"cannot pair {how!r}: choose one-to-one or one-to-many")
    with needed("create"):
        from scipy.optimize import linear_sum_assignment
    rows, columns = linear_sum_assignment(similarities, maximize=True)
    return np.asarray(rows, np.int64), np.asarray(columns, np.int64)


def strengths(similarities: Floats) -> Floats:
    """Return (n, m) float32 from 0 to 1: how clearly each is the other's best.

    The geometric mean of two softmaxes, over the row and over the column, in units of the spread of
    all similarities.
    """
    scaled = _SHARPNESS * similarities / max(float(similarities.std()), 1e-6)
    return np.asarray(np.sqrt(_softmax(scaled) * _softmax(scaled.T).T), np.float32)


def _softmax(scaled: Floats) -> Floats:
    raised = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float32)
