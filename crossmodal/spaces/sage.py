"""Give each vector a learned part of itself and of its neighbours: GraphSAGE without a bias.

h <- h + h S + mean of the neighbours' h N, once a layer (Hamilton and others, NeurIPS 2017), all of
it linear, and length 1 at the end: with no weights it is the parent's space. What has no
neighbours, such as a query, goes through the own parts alone, which are then one matrix. Owns the
arithmetic and how weights are packed; ``learn_links`` learns them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crossmodal.vectors.affine import AffineMap, Floats, Maps

GRAPHSAGE = "graphsage"
MAX_LAYERS = 2
_OWN, _AROUND = "sage own", "sage around"


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """Hold the weights of one layer."""

    own: Floats
    """(dim, dim): 1 + S."""
    around: Floats
    """(dim, dim): N."""


def own_part(vectors: Floats, layers: tuple[Layer, ...]) -> Floats:
    """Return (.., dim) what vectors come to without neighbours; lengths are not 1."""
    for layer in layers:
        vectors = vectors @ layer.own
    return vectors


def query_map(layers: tuple[Layer, ...]) -> AffineMap:
    """Return the own parts of all layers as one map."""
    return AffineMap(None, own_part(np.eye(len(layers[0].own), dtype=np.float32), layers))


def packed(layers: tuple[Layer, ...]) -> Maps:
    """Return weights as maps that no modality is called by."""
    maps = {}
    for number, layer in enumerate(layers):
        maps[f"{_OWN} {number}"] = AffineMap(None, layer.own)
        maps[f"{_AROUND} {number}"] = AffineMap(None, layer.around)
    return maps


def unpacked(maps: Maps) -> tuple[Layer, ...]:
    """Return the layers that were packed; none where there are none."""
    layers: list[Layer] = []
    while f"{_OWN} {len(layers)}" in maps:
        own, around = (maps[f"{part} {len(layers)}"].matrix for part in (_OWN, _AROUND))
        assert own is not None
        assert around is not None
        layers.append(Layer(own, around))
    return tuple(layers)
