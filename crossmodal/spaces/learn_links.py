"""Learn the weights of a GraphSAGE by link prediction: to tell neighbours from chunks at random.

Of the pairs that the ledger joins a tenth stops the training and another tenth tells what it came
to; neither these nor the pairs that a step asks for pass anything on in it. A batch reads only what
its vectors depend on, so the graph may be larger than memory has room for its layers. Needs
torch_geometric; what is learned does not. Invariant: one seed gives the same weights.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import numpy.typing as npt

from crossmodal.encoders.torch_threads import one_thread
from crossmodal.errors import ExtraMissing, ParametersError, TrainingFailed
from crossmodal.ledger.read.many_vectors import chunk_ids_of, vectors_of_chunks
from crossmodal.ledger.write.model_versions import vector_lists
from crossmodal.records import ModelVersion
from crossmodal.spaces.edges import known_edges, near_edges
from crossmodal.spaces.graph import Edges, Ints, Spread, of_length_1, shares, sources_of
from crossmodal.spaces.sage import Layer
from crossmodal.vectors.affine import Floats

if TYPE_CHECKING:
    import torch

FEWEST_PAIRS = 100
"""Joined pairs, of which ten tell whether anything was learned."""
MAX_EPOCHS = 60
_PATIENCE = 8
_HELD = 10
"""One pair in so many stops the training, and as many tell."""
_BATCH, _STEPS = 1024, 20
"""Pairs of a step at most, and steps of an epoch at most."""
_POOL = 256
"""Chunks of each modality that a step, or a measurement, sets against the neighbours."""
_SCALE = 20.0
_RATE, _DECAY = 2e-4, 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedLinks:
    """Tell what was learned, on pairs that neither taught nor stopped it."""

    num_pairs: int
    """Joined pairs in all."""
    num_held_out: int
    auc_before: float
    """How often a neighbour is nearer than a chunk of its modality at random, in the parent."""
    auc_after: float
    num_epochs: int
    """After which the best weights were had."""

    def line(self) -> str:
        """Return what a person is told."""
        return (
            f"{self.num_pairs:,} pairs; of {self.num_held_out:,} held out the neighbour is nearer "
            f"than a chunk at random in {self.auc_after:.1%} of cases, {self.auc_before:.1%} before"
            f" ({self.num_epochs} epochs)"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Hold the vectors of a parent and what joins them; nodes are numbered 0 to n - 1."""

    vectors: Floats
    """(n, dim), the mean of its modality taken off."""
    modality: Ints
    """(n,), a number of ``means``."""
    means: Floats
    """(modalities, dim)."""
    moving: npt.NDArray[np.bool_]
    """(n,): what takes from its neighbours."""
    pairs: Ints
    """(m, 2): what the ledger joins and at least one of which moves, each once."""
    edges: Edges
    """All that something is passed on by, nearest neighbours too."""

    def __len__(self) -> int:
        """Return how many nodes there are."""
        return len(self.vectors)

    def keys(self, left: Ints, right: Ints) -> Ints:
        """Return a number for each pair, the same in both directions."""
        return np.minimum(left, right) * len(self) + np.maximum(left, right)


def read_graph(con: duckdb.DuckDBPyConnection, parent: ModelVersion, how: Spread) -> Graph:
    """Read the vectors of a parent and its edges.

    Raises:
        ParametersError: the ledger joins too few of them.
    """
    lists = vector_lists(parent)
    read = [vectors_of_chunks(con, held, chunk_ids_of(con, held)) for held in lists]
    ids = np.concatenate([each.chunk_ids for each in read])
    order = np.argsort(ids)
    means = np.stack([how.mean_of(held.modality, parent.dim) for held in lists])
    number = np.repeat(np.arange(len(lists)), [len(each.chunk_ids) for each in read])[order]
    vectors = np.concatenate([each.matrix for each in read])[order] - means[number]
    pictures = [held.modality == "image" for held in lists]
    moving = np.full(len(ids), True) if how.everything else np.array(pictures)[number]
    known = _numbered(known_edges(con, parent), ids[order])
    asked = known.kept(
        (known.nodes < known.neighbours) & (moving[known.nodes] | moving[known.neighbours])
    )
    _refuse(len(asked), parent, how)
    near = Edges.none()
    if how.near:
        near = near_edges(np.arange(len(ids)), of_length_1(vectors), near, how.near)
    return Graph(
        vectors=vectors,
        modality=number,
        means=means,
        moving=moving,
        pairs=np.stack([asked.nodes, asked.neighbours], axis=1),
        edges=known.joined(near),
    )


def _numbered(edges: Edges, ids: Ints) -> Edges:
    nodes, neighbours = (np.searchsorted(ids, e) for e in (edges.nodes, edges.neighbours))
    return Edges(nodes, neighbours, edges.weights)


def _refuse(num: int, parent: ModelVersion, how: Spread) -> None:
    if num >= FEWEST_PAIRS:
        return
    what = "neighbours" if how.everything else "a picture and a passage"
    raise ParametersError(
        f"documents join {num:,} pairs of {what} that have a vector of {parent.label}, and "
        f"graphsage learns from {FEWEST_PAIRS} or more: index more documents, and with one "
        "model for pictures and passages (`index --model MODEL`, no --text-model)"
        + ("" if how.everything else "; --everything counts passages that follow each other too")
    )


def learn_links(
    graph: Graph, how: Spread, seed: int, tick: Callable[[], None] = lambda: None
) -> tuple[Spread, LearnedLinks]:
    """Return the spread with its layers learned, and what that came to; ``tick`` once an epoch.

    Raises:
        ExtraMissing: torch_geometric is not installed.
        TrainingFailed: the loss is no number, or nothing was better than the parent.
    """
    draw = np.random.default_rng(seed)
    order = draw.permutation(len(graph.pairs))
    num = len(order) // _HELD
    stop, tell, teach = (
        graph.pairs[o] for o in (order[:num], order[num : 2 * num], order[2 * num :])
    )
    with one_thread():
        learner = _Learner(graph, how.steps, np.concatenate([stop, tell]), draw)
        before = learner.auc(tell)
        epoch = _learn(learner, teach, stop, tick)
        after = learner.auc(tell)
    learned = LearnedLinks(
        num_pairs=len(order),
        num_held_out=num,
        auc_before=before,
        auc_after=after,
        num_epochs=epoch,
    )
    if after <= before:
        raise TrainingFailed(
            f"nothing was learned: of {num:,} pairs held out the neighbour was nearer than a chunk "
            f"at random in {before:.1%} of cases before and {after:.1%} after, so nothing was "
            "registered: index more documents, or take propagation, which learns nothing"
        )
    return replace(how, layers=learner.layers()), learned


def _learn(learner: _Learner, teach: Ints, stop: Ints, tick: Callable[[], None]) -> int:
    """Leave the learner as it does best on ``stop``; return after which epoch that was."""
    best, found, at = learner.weights(), learner.auc(stop), 0
    for number in range(1, MAX_EPOCHS + 1):
        loss = learner.epoch(teach)
        if not math.isfinite(loss):
            raise TrainingFailed(
                f"the loss of epoch {number} is {loss}, so nothing was registered: a stored vector "
                "is not finite (`crossmodal verify`)"
            )
        tick()
        now = learner.auc(stop)
        if now > found:
            best, found, at = learner.weights(), now, number
        if number - at >= _PATIENCE:
            break
    learner.take(best)
    return at


class _Learner:
    """Take steps; keeps the layers, the optimiser and the draw."""

    def __init__(
        self, graph: Graph, num_layers: int, held_out: Ints, draw: np.random.Generator
    ) -> None:
        import torch

        self._graph, self._draw = graph, draw
        self._joined = graph.keys(graph.edges.nodes, graph.edges.neighbours)
        self._held_out = np.sort(graph.keys(*held_out.T))
        self._measured_by = self._pool()
        dim = graph.vectors.shape[1]
        self._layers = [_layer(dim) for _ in range(num_layers)]
        self._parameters = [p for layer in self._layers for p in layer.parameters()]
        self._optimiser = torch.optim.AdamW(self._parameters, lr=_RATE, weight_decay=_DECAY)

    def layers(self) -> tuple[Layer, ...]:
        """Return what the layers are by now."""
        parts = [
            [np.array(part.weight.detach().numpy().T) for part in (layer.lin_root, layer.lin_rel)]
            for layer in self._layers
        ]
        same = np.eye(self._graph.vectors.shape[1], dtype=np.float32)
        return tuple(Layer(same + own, around) for own, around in parts)

    def weights(self) -> list[torch.Tensor]:
        """Return a copy of all weights."""
        return [parameter.detach().clone() for parameter in self._parameters]

    def take(self, weights: list[torch.Tensor]) -> None:
        """Go back to what ``weights`` returned."""
        for mine, theirs in zip(self._parameters, weights, strict=True):
            mine.data.copy_(theirs)

    def epoch(self, pairs: Ints) -> float:
        """Go through the pairs, or as many as the steps take; return the mean loss."""
        size = min(_BATCH, math.ceil(len(pairs) / 4))
        shuffled = self._draw.permutation(pairs)
        starts = range(0, len(pairs), size)[:_STEPS]
        return float(np.mean([self._step(shuffled[start : start + size]) for start in starts]))

    def auc(self, pairs: Ints) -> float:
        """Return how often a neighbour is nearer than a chunk of its modality at random."""
        import torch

        with torch.no_grad():
            near, others, allowed = self._scores(pairs, self._measured_by, self._held_out)
            won = (near[:, None] > others).float() + 0.5 * (near[:, None] == others).float()
            return float(won[allowed].mean())

    def _step(self, pairs: Ints) -> float:
        import torch

        left_out = np.union1d(self._held_out, self._graph.keys(*pairs.T))
        near, others, allowed = self._scores(pairs, self._pool(), left_out)
        logits = torch.cat([near[:, None], others.masked_fill(~allowed, -torch.inf)], dim=1)
        loss = -torch.log_softmax(_SCALE * logits, dim=1)[:, 0].mean()
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        return float(loss.detach())

    def _pool(self) -> Ints:
        """Return chunks at random, as many of each modality."""
        numbers = np.unique(self._graph.modality)
        nodes = [np.flatnonzero(self._graph.modality == number) for number in numbers]
        return np.concatenate([self._draw.choice(each, _POOL) for each in nodes])

    def _scores(
        self, pairs: Ints, pool: Ints, left_out: Ints
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return (2 b,) cosines of pairs, both ways, (2 b, p) those of the pool, and which count.

        What counts is of the neighbour's modality, and joined with the node by no edge.
        """
        import torch

        graph = self._graph
        nodes, neighbours = np.concatenate([pairs, pairs[:, ::-1]]).T
        asked = np.unique(np.concatenate([nodes, pool]))
        codes = self._codes(asked, left_out)
        at = {
            name: torch.from_numpy(np.searchsorted(asked, which))
            for name, which in (("nodes", nodes), ("neighbours", neighbours), ("pool", pool))
        }
        own = codes[at["nodes"]]
        keys = graph.keys(nodes[:, None], pool[None, :])
        allowed = graph.modality[neighbours][:, None] == graph.modality[pool][None, :]
        allowed &= ~np.isin(keys, self._joined) & (nodes[:, None] != pool[None, :])
        near = (own * codes[at["neighbours"]]).sum(dim=1)
        return near, own @ codes[at["pool"]].T, torch.from_numpy(allowed)

    def _codes(self, asked: Ints, left_out: Ints) -> torch.Tensor:
        """Return (n, dim) what nodes, ascending, come to where some edges pass nothing on."""
        import torch

        graph = self._graph
        edges = graph.edges.kept(~np.isin(self._joined, left_out))
        needed = sources_of(edges, asked, len(self._layers))
        rows, columns, share = shares(needed, edges)
        along, weights = torch.from_numpy(np.stack([columns, rows])), torch.from_numpy(share)
        taking = own = torch.from_numpy(graph.vectors[needed])
        means = torch.from_numpy(graph.means)
        for layer in self._layers:
            taking = taking + layer(taking, along, weights)
            own, means = own + layer.lin_root(own), means + layer.lin_root(means)
        moving = torch.from_numpy(graph.moving[needed])[:, None]
        codes = torch.where(moving, taking, own) + means[torch.from_numpy(graph.modality[needed])]
        wanted = torch.from_numpy(np.searchsorted(needed, asked))
        return torch.nn.functional.normalize(codes[wanted], dim=1)


def _layer(dim: int) -> Any:
    """Return what a layer adds, at first nothing: PyG's convolution with a weight for each edge."""
    import torch

    try:
        with warnings.catch_warnings():
            # It asks torch for what torch 2.13 calls deprecated, as it is imported.
            warnings.simplefilter("ignore", DeprecationWarning)
            from torch_geometric.nn import GraphConv
    except ImportError as error:
        raise ExtraMissing(
            "graphsage is learned by torch_geometric: pip install 'crossmodal[graph]'"
        ) from error
    layer = GraphConv(dim, dim, aggr="add", bias=False)
    for parameter in layer.parameters():
        torch.nn.init.zeros_(parameter)
    return layer
