"""Find the maps of derived spaces that need no labels: centring, PCA, whitening, truncation.

Owns the arithmetic on samples of stored vectors; refuses to know tables. All modalities of a joint
space get one matrix, since their vectors are compared with each other; means are each one's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from crossmodal.errors import ParametersError
from crossmodal.spaces.graph import PROPAGATION, Spread
from crossmodal.spaces.sage import GRAPHSAGE, MAX_LAYERS
from crossmodal.vectors.affine import AffineMap, Floats, Maps

TRUNCATION = "truncation"
KINDS = ("centring", "pca", "whitening", TRUNCATION, PROPAGATION, GRAPHSAGE)
FEWEST = 16
"""Vectors of a modality without which it has no mean that could be trusted."""
MAX_STEPS = 10
MAX_SECTION = 100.0
"""A hundred times what a picture's own passage weighs."""
_SHRINKAGE = 0.1
"""Of the mean eigenvalue, added to each before whitening: small ones are noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceSpec:
    """Say which space to derive."""

    kind: str
    """One of KINDS."""
    dim: int = 0
    """Of the new vectors; 0 keeps the parent's."""
    name: str = ""
    """Empty: the parent's with the kind and the dimension behind it."""
    parent: str = ""
    """Name, number or label; empty: the live joint version."""
    keep: float = 0.5
    """Of propagation: the share of its own vector that a chunk keeps in each step."""
    steps: int = 2
    near: int = 0
    """Nearest neighbours that join the edges of the ledger."""
    section: float = 0.0
    """Of propagation: the weight of a chunk's edge to the section under whose heading it stands."""
    everything: bool = False
    """Whether passages move too, or pictures only."""
    centred: bool = True
    """Whether the mean of each modality is taken off before vectors spread."""
    seed: int = 0
    """Of graphsage: of the split and of all that is drawn."""


def fit_maps(spec: SpaceSpec, samples: Mapping[str, Floats]) -> Maps:
    """Return the maps of a space from samples of its parent: by modality (n, dim) unit vectors.

    Raises:
        ParametersError: the kind or the dimension makes no sense, or there are too few vectors.
    """
    usable = {modality: vectors for modality, vectors in samples.items() if len(vectors) >= FEWEST}
    _refuse(spec, usable)
    if spec.kind == "centring":
        return {modality: AffineMap(vectors.mean(axis=0)) for modality, vectors in usable.items()}
    if spec.kind in (PROPAGATION, GRAPHSAGE):
        return spread_of(spec, samples).packed()
    if spec.kind == TRUNCATION:
        # What Matryoshka models are trained for: the first dimensions, brought to length 1 again.
        first = np.eye(_dim(usable), spec.dim, dtype=np.float32)
        return {modality: AffineMap(None, first) for modality in samples}
    means = _means(spec, usable)
    matrix = _matrix(spec, [vectors - means[m] for m, vectors in usable.items()])
    # A modality without a sample has to come into the new space all the same.
    return {m: AffineMap(means.get(m), matrix) for m in samples}


def spread_of(spec: SpaceSpec, samples: Mapping[str, Floats]) -> Spread:
    """Return how vectors spread, with the means of samples; of graphsage before it has learned."""
    return Spread(
        keep=spec.keep,
        steps=spec.steps,
        near=spec.near,
        everything=spec.everything,
        section=spec.section,
        means={m: v.mean(axis=0) for m, v in samples.items() if len(v) and spec.centred},
    )


def _means(spec: SpaceSpec, usable: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return what is taken off first: for PCA nothing, so that dot products are kept as they are.

    Measured on captions of photos (docs/quality.md): with the means taken off PCA finds less.
    """
    if spec.kind == "whitening":
        return {modality: vectors.mean(axis=0) for modality, vectors in usable.items()}
    return {m: np.zeros(vectors.shape[1], np.float32) for m, vectors in usable.items()}


def _matrix(spec: SpaceSpec, centred: list[Floats]) -> Floats:
    """Return (dim, new_dim): the main axes of all modalities, each of which counts the same."""
    moments = [vectors.T.astype(np.float64) @ vectors / len(vectors) for vectors in centred]
    values, axes = np.linalg.eigh(np.mean(moments, axis=0))
    num = spec.dim or len(values)
    top, kept = values[::-1][:num], axes[:, ::-1][:, :num]
    if spec.kind == "whitening":
        kept = kept / np.sqrt(np.maximum(top, 0) + _SHRINKAGE * values.mean())
    return np.asarray(_signed(kept), np.float32)


def _signed(axes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return axes whose largest entry is positive, so that the same sample gives the same map."""
    largest = np.abs(axes).argmax(axis=0)
    flipped: npt.NDArray[np.float64] = axes * np.sign(axes[largest, np.arange(axes.shape[1])])
    return flipped


def _refuse(spec: SpaceSpec, usable: Mapping[str, Floats]) -> None:
    if spec.kind not in KINDS:
        raise ParametersError(f"there is no space {spec.kind!r}: take one of {', '.join(KINDS)}")
    if not usable:
        raise ParametersError(
            f"the parent has fewer than {FEWEST} vectors of any modality, too few to learn a "
            "space from: index more first"
        )
    dim = _dim(usable)
    if spec.kind == TRUNCATION and not 1 <= spec.dim < dim:
        raise ParametersError(f"--dim {spec.dim}: truncation takes 1 to {dim - 1}")
    if spec.dim and (spec.kind in ("centring", PROPAGATION, GRAPHSAGE) or not 1 <= spec.dim <= dim):
        raise ParametersError(
            f"--dim {spec.dim}: centring keeps the dimension, as propagation and graphsage do; pca "
            f"and whitening take 1 to {dim}"
        )
    if not 0 <= spec.keep <= 1 or not 1 <= spec.steps <= MAX_STEPS or not 0 <= spec.near <= 1000:
        raise ParametersError(
            f"--keep {spec.keep:g} has to be 0 to 1, --steps {spec.steps} 1 to {MAX_STEPS} and "
            f"--near {spec.near} 0 to 1000"
        )
    if not 0 <= spec.section <= MAX_SECTION or (spec.section and spec.kind != PROPAGATION):
        raise ParametersError(
            f"--section {spec.section:g} has to be 0 to {MAX_SECTION:g}, and is for propagation "
            "alone: through its section a pair that graphsage asks for would tell its own answer"
        )
    if spec.kind == GRAPHSAGE and (spec.steps > MAX_LAYERS or spec.seed < 0):
        raise ParametersError(
            f"graphsage takes --steps 1 to {MAX_LAYERS} and a --seed of 0 or more, not "
            f"{spec.steps} and {spec.seed}"
        )


def _dim(samples: Mapping[str, Floats]) -> int:
    return int(next(iter(samples.values())).shape[1])
