"""Spread vectors over a graph: each node keeps a share of its own and takes the rest of neighbours.

Personalised PageRank on vectors (APPNP: Gasteiger and others, ICLR 2019): h <- keep * v + (1 -
keep) * mean of the neighbours' h, ``steps`` times. What is spread has its modality's mean taken
off, and gets it back at the end, so that nothing is drawn over the gap between the modalities. Owns
the arithmetic and which nodes a change reaches; knows no tables. A node without neighbours stays.
With layers of a GraphSAGE (``sage``) a step is what was learned in place of the shares. A section,
whose number is below zero, has no vector: within each step it takes the mean of its chunks, which
take from it in the same step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt

from crossmodal.spaces import sage
from crossmodal.spaces.fusing import Fusion
from crossmodal.vectors.affine import AffineMap, Floats, Maps

Ints = npt.NDArray[np.int64]
PROPAGATION = "propagation"
_PARAMETERS = "graph"
_MEAN = "mean of "
_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Edges:
    """Hold directed edges by chunk id, each once: a node takes from its neighbours."""

    nodes: Ints
    """(e,), ascending."""
    neighbours: Ints
    """(e,), ascending within a node."""
    weights: Floats
    """(e,), above zero."""

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.nodes)

    @classmethod
    def none(cls) -> Self:
        """Return no edges."""
        ids = np.zeros(0, np.int64)
        return cls(ids, ids, np.zeros(0, np.float32))

    @classmethod
    def of(cls, nodes: Ints, neighbours: Ints, weights: Floats) -> Self:
        """Return edges in order; of equal ones the heaviest."""
        order = np.lexsort((-weights, neighbours, nodes))
        nodes, neighbours, weights = nodes[order], neighbours[order], weights[order]
        first = np.ones(len(nodes), bool)
        first[1:] = (nodes[1:] != nodes[:-1]) | (neighbours[1:] != neighbours[:-1])
        return cls(nodes[first], neighbours[first], weights[first])

    def joined(self, other: Edges) -> Edges:
        """Return both."""
        return Edges.of(
            np.concatenate([self.nodes, other.nodes]),
            np.concatenate([self.neighbours, other.neighbours]),
            np.concatenate([self.weights, other.weights]),
        )

    def kept(self, which: npt.NDArray[np.bool_]) -> Edges:
        """Return those that a mask (e,) names."""
        return Edges(self.nodes[which], self.neighbours[which], self.weights[which])

    def changed_since(self, other: Edges) -> Ints:
        """Return the nodes whose edges are others."""
        rows = np.concatenate([self._rows, other._rows])
        each, counts = np.unique(rows, return_counts=True)
        return np.unique(each["node"][counts == 1])

    @property
    def _rows(self) -> npt.NDArray[np.void]:
        kinds = [("node", np.int64), ("neighbour", np.int64), ("weight", np.float32)]
        rows = np.empty(len(self), kinds)
        rows["node"], rows["neighbour"], rows["weight"] = self.nodes, self.neighbours, self.weights
        return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Say how vectors spread, and what they are measured from."""

    keep: float
    steps: int
    near: int
    """How many nearest neighbours join the ledger's edges."""
    everything: bool
    """Whether all modalities move, or pictures only."""
    section: float = 0.0
    """The weight of the edge from a chunk to its section; 0: sections are no nodes."""
    means: Mapping[str, Floats] = field(default_factory=dict)
    """By modality (dim,); empty where nothing is taken off."""
    fusion: Fusion | None = None
    """How a picture and what it takes become one vector, where that was learned."""
    layers: tuple[sage.Layer, ...] = ()
    """What each step does, where that was learned."""

    def packed(self) -> Maps:
        """Return it as maps that no modality is called by, so that a query stays as it is."""
        numbers = [self.keep, self.steps, self.near, self.everything]
        if self.section:  # a space without sections keeps its fingerprint
            numbers.append(self.section)
        means = {f"{_MEAN}{m}": AffineMap(mean) for m, mean in self.means.items()}
        return {
            _PARAMETERS: AffineMap(np.array(numbers, np.float32)),
            **means,
            **sage.packed(self.layers),
        }

    @classmethod
    def unpacked(cls, maps: Maps) -> Self:
        """Return what was packed."""
        numbers = maps[_PARAMETERS].mean
        assert numbers is not None
        means = {
            name.removeprefix(_MEAN): each.mean
            for name, each in maps.items()
            if name.startswith(_MEAN) and each.mean is not None
        }
        keep, steps, near, everything, *section = numbers.tolist()
        return cls(
            keep=keep,
            steps=int(steps),
            near=int(near),
            everything=bool(everything),
            section=section[0] if section else 0.0,
            means=means,
            layers=sage.unpacked(maps),
        )

    def mean_of(self, modality: str, dim: int) -> Floats:
        """Return (dim,) what is taken off."""
        return np.asarray(self.means.get(modality, np.zeros(dim)), np.float32)


def reached(edges: Edges, seeds: Ints, steps: int) -> Ints:
    """Return the seeds and the nodes that take from them within so many steps, ascending."""
    found = _through(np.unique(seeds), edges.neighbours, edges.nodes)
    for _ in range(steps):
        taking = edges.nodes[np.isin(edges.neighbours, found)]
        found = np.union1d(found, _through(taking, edges.neighbours, edges.nodes))
    return found


def sources_of(edges: Edges, nodes: Ints, steps: int) -> Ints:
    """Return the nodes and those that they take from within so many steps, ascending."""
    found = np.unique(nodes)
    for _ in range(steps):
        given = edges.neighbours[np.isin(edges.nodes, found)]
        found = np.union1d(found, _through(given, edges.nodes, edges.neighbours))
    return found


def _through(found: Ints, here: Ints, there: Ints) -> Ints:
    """Return nodes and what lies behind the sections among them, since these take no step."""
    return np.union1d(found, there[np.isin(here, found[found < 0])])


def shares(ids: Ints, edges: Edges) -> tuple[Ints, Ints, Floats]:
    """Return (e,) rows, columns and shares, which add up to 1 a row, of the edges within ``ids``.

    ``ids`` ascend, and rows and columns are places in them.
    """
    inside = edges.kept(np.isin(edges.nodes, ids) & np.isin(edges.neighbours, ids))
    rows, columns = np.searchsorted(ids, inside.nodes), np.searchsorted(ids, inside.neighbours)
    total = np.bincount(rows, inside.weights, minlength=len(ids))
    return rows, columns, np.asarray(inside.weights / total[rows], np.float32)


def spread(ids: Ints, centred: Floats, edges: Edges, how: Spread) -> Floats:
    """Return (n, dim) what the vectors of nodes ``ids``, ascending, come to; lengths are not 1.

    Edges that lead out of ``ids`` are left out: only nodes all of whose sources within ``steps``
    are there come out as they would in the whole graph.
    """
    rows, columns, share = shares(ids, edges)
    num = np.searchsorted(rows, np.searchsorted(ids, 0))  # sections come before all chunks
    now = centred.copy()
    for number in range(how.steps):
        layer = how.layers[number] if how.layers else None
        for at, mean in _means(now, rows[:num], columns[:num], share[:num]):
            now[at] = mean
        after = now @ layer.own if layer else centred.copy()
        for at, mean in _means(now, rows[num:], columns[num:], share[num:]):
            if layer:
                after[at] += mean @ layer.around
            else:
                after[at] = how.keep * centred[at] + (1 - how.keep) * mean
        now = after
    return now


def _means(now: Floats, rows: Ints, columns: Ints, share: Floats) -> Iterator[tuple[Ints, Floats]]:
    """Give in blocks the rows that take from others, and the mean that each of them takes."""
    starts = np.flatnonzero(np.diff(rows, prepend=-1))
    for first in range(0, len(starts), _BLOCK):
        last = min(first + _BLOCK, len(starts))
        low, end = starts[first], starts[last] if last < len(starts) else len(rows)
        part = share[low:end, None] * now[columns[low:end]]
        yield rows[starts[first:last]], np.add.reduceat(part, starts[first:last] - low)


def of_length_1(vectors: Floats) -> Floats:
    """Return vectors brought to length 1; nothing stays nothing."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-9), np.float32)
