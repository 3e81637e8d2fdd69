"""Take each modality's mean out of its vectors, so that likes of several modalities compare.

In a joint space all texts lie together and all pictures do, so a picture is nearer to any picture
than to the text that tells of it (the modality gap; Liang and others, NeurIPS 2022). Without the
means (GR-CLIP, arXiv 2507.19054) what is left is what sets an item apart from others of its kind.
Stored vectors stay as they are: this happens to copies, at query time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from crossmodal.ledger.read.many_vectors import sampled_vectors
from crossmodal.ledger.read.stored_vectors import num_vectors
from crossmodal.records import ModelVersion, VectorList

if TYPE_CHECKING:
    import duckdb

Floats = npt.NDArray[np.float32]

NUM_SAMPLED = 2048
"""Vectors of a list that its mean and spread are taken from."""
NUM_DIRECTIONS = 96
NUM_TURNED = 1024
"""Vectors of a list that its main directions are taken from."""
NUM_NEAR = 10
SHRINKAGE = 2.0
"""How much of an even scatter is added to that of neighbours, in units of its mean."""
_FEWEST = 16
_PROBES = """
a photo of a person; a street in a city; a meal on a table; an animal in a field;
the sea at dusk; a room with furniture; children at play; a car on a road; a mountain under snow;
a chart; a page of text; a drawing; people at work; a building; a tree; a tool;
a piece of clothing; a team during a match; how to do something; a question about a product;
news of the day; a recipe; a contract; a table of numbers; notes of a meeting;
a letter to a friend; music; a crowd; night; something red; something small; an old photograph
"""


class Space(NamedTuple):
    """Name a modality's part of an embedding space."""

    fingerprint: str
    modality: str


@dataclass(frozen=True, slots=True)
class Centring:
    """Hold a sample of each modality's vectors, its mean taken out."""

    means: Mapping[Space, Floats]
    samples: Mapping[Space, Floats]
    """(n, dim) float32, centred, of length 1."""
    spreads: dict[tuple[Space, Space], float] = field(default_factory=dict)
    """Root mean squares that were asked for before."""

    def centred(self, vectors: Floats, space: Space) -> Floats:
        """Return (.., dim) vectors without the mean of their modality, of length 1 again.

        A modality with hardly a vector has no mean that could be trusted: they stay as they are.
        """
        mean = self.means.get(space)
        return vectors if mean is None else normalised(vectors - mean)

    def spread(self, one: Space, other: Space) -> float:
        """Return the root mean square of cosines between centred vectors that are unrelated.

        It says how much a similarity between these two modalities means; 1 where it is not known.
        """
        key = (one, other)
        if key not in self.spreads:
            self.spreads[key] = self._spread(one, other)
        return self.spreads[key]

    def directions(self, space: Space) -> Floats | None:
        """Return (dim, m) what turns centred vectors into the modality's main directions.

        Half whitened: what sets items apart counts for more than what many share. None where there
        are too few vectors to tell.
        """
        if space not in self.samples:
            return None
        every_nth = -(-len(self.samples[space]) // NUM_TURNED)
        some = self.samples[space][::every_nth]
        return _directions_of(some.tobytes(), some.shape[1])

    def _spread(self, one: Space, other: Space) -> float:
        if one not in self.samples or other not in self.samples:
            return 1.0
        cosines = self.samples[one][:512] @ self.samples[other][:512].T
        if one == other:
            cosines = cosines[~np.eye(len(cosines), dtype=bool)]
        return float(max(np.sqrt(np.mean(cosines**2)), 1e-3))


def main_directions(sample: Floats) -> Floats:
    """Return (dim, m) float32, from an (n, dim) centred sample.

    What sets a vector apart from those around it counts for less than what sets it apart from the
    rest: the directions are those of the sample's scatter against the scatter of nearest
    neighbours, as in a discriminant analysis whose classes are neighbourhoods. They are half
    whitened. Few vectors have few directions that can be told from chance.
    """
    num = min(NUM_DIRECTIONS, len(sample) // 3, sample.shape[1])
    dim = sample.shape[1]
    nearby = _scatter_of_neighbours(sample)
    nearby += np.eye(dim, dtype=np.float32) * max(SHRINKAGE * np.trace(nearby) / dim, 1e-6)
    inverse = np.linalg.inv(np.linalg.cholesky(nearby))
    whole = inverse @ (sample.T @ sample / len(sample)) @ inverse.T
    values, vectors = np.linalg.eigh(whole)
    lengths = np.maximum(values[-num:], 1e-9) ** 0.25
    return np.asarray(inverse.T @ vectors[:, -num:] / lengths, np.float32)


def _scatter_of_neighbours(sample: Floats) -> Floats:
    """Return (dim, dim): the covariance of what lies between nearest neighbours."""
    cosines = sample @ sample.T
    np.fill_diagonal(cosines, -2)
    num = min(NUM_NEAR, len(sample) - 1)
    nearest = np.argpartition(-cosines, num - 1, axis=1)[:, :num]
    edges = np.zeros_like(cosines)
    np.put_along_axis(edges, nearest, 0.5, axis=1)
    edges += edges.T
    between = np.diag(edges.sum(axis=1)) - edges
    return np.asarray(sample.T @ (between @ sample) / (num * len(sample)), np.float32)


@lru_cache(maxsize=8)
def _directions_of(content: bytes, dim: int) -> Floats:
    """Return the main directions of a sample, by all that it holds: the arithmetic takes 0.1 s."""
    return main_directions(np.frombuffer(content, np.float32).reshape(-1, dim))


def space_of(held: VectorList) -> Space:
    """Return the part of a space that a list's vectors lie in."""
    return Space(held.version.fingerprint, held.modality)


def centring_of(
    con: duckdb.DuckDBPyConnection,
    lists: Iterable[VectorList],
    texts: Mapping[str, Floats] | None = None,
) -> Centring:
    """Return the centring of these lists.

    ``texts`` holds by fingerprint (n, dim) vectors of texts of no particular subject, for spaces
    in which texts are asked with but none is stored.
    """
    raw = {space_of(held): sampled_vectors(con, held, NUM_SAMPLED).matrix for held in lists}
    for fingerprint, vectors in (texts or {}).items():
        space = Space(fingerprint, "text")
        if len(raw.get(space, ())) < _FEWEST:
            raw[space] = vectors
    kept = {space: vectors for space, vectors in raw.items() if len(vectors) >= _FEWEST}
    means = {space: vectors.mean(axis=0) for space, vectors in kept.items()}
    samples = {space: normalised(vectors - means[space]) for space, vectors in kept.items()}
    return Centring(means, samples)


def versions_without_texts(
    con: duckdb.DuckDBPyConnection, lists: Iterable[VectorList]
) -> list[ModelVersion]:
    """Return the versions that read texts but have too few stored to be centred by."""
    counts = {held: num_vectors(con, held) for held in lists}
    rich = {
        held.version for held, num in counts.items() if held.modality == "text" and num >= _FEWEST
    }
    reading = {held.version for held in counts if "text" in held.version.encoders}
    return sorted(reading - rich, key=lambda version: version.fingerprint)


@lru_cache(maxsize=8)
def texts_of_no_subject(version: ModelVersion, device: str) -> Floats:
    """Return (n, dim) vectors of short texts on all sorts of things; loads the model."""
    from crossmodal.encoders.cache import load_version

    vectors: Floats = load_version(version, device).encode_queries(_probes())
    return vectors


def _probes() -> list[str]:
    return " ".join(_PROBES.split()).split("; ")


def normalised(vectors: Floats) -> Floats:
    """Return (.., dim) vectors of length 1; nothing stays nothing."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-9), np.float32)
