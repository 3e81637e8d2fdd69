"""Turn vectors of one space into those of another: one affine map a modality.

Owns the arithmetic and how maps are packed into bytes; refuses to know where vectors lie. A map
takes a mean off and multiplies by a matrix, either of which may be missing; what comes out has
length 1. Invariant: equal maps are equal bytes, so that their digest names the space.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
import numpy.typing as npt

from crossmodal.errors import CollectionUnreadable

Floats = npt.NDArray[np.float32]

_PARTS = ("mean", "matrix")


@dataclass(frozen=True, slots=True, eq=False)
class AffineMap:
    """Hold one map."""

    mean: Floats | None = None
    """(dim,), taken off first."""
    matrix: Floats | None = None
    """(dim, new_dim), multiplied from the right."""

    def __call__(self, vectors: Floats) -> Floats:
        """Return (.., new_dim) float32 of length 1; nothing stays nothing."""
        moved = vectors if self.mean is None else vectors - self.mean
        turned = moved if self.matrix is None else moved @ self.matrix
        lengths = np.sqrt(np.einsum("...i,...i->...", turned, turned))[..., None]
        return np.asarray(turned / np.maximum(lengths, 1e-9), np.float32)

    def towards(self, share: float) -> Self:
        """Return the map a ``share`` of the way from leaving vectors as they are to this one.

        In the space of weights (WiSE-FT; Wortsman and others, CVPR 2022): 0 is the base, 1 is all
        of what was learned. Only a map that keeps the dimension has a way to go.
        """
        mean = None if self.mean is None else np.asarray(share * self.mean, np.float32)
        if self.matrix is None:
            return type(self)(mean)
        same = np.eye(len(self.matrix), dtype=np.float32)
        return type(self)(mean, np.asarray(same + share * (self.matrix - same), np.float32))


Maps = Mapping[str, AffineMap]
"""By modality. A modality without one keeps its vectors."""


def pack(maps: Maps) -> bytes:
    """Return maps as bytes: a NumPy archive, not compressed."""
    arrays = {
        f"{modality}.{part}": np.ascontiguousarray(value, np.float32)
        for modality in sorted(maps)
        for part in _PARTS
        if (value := getattr(maps[modality], part)) is not None
    }
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **arrays)
    return packed.getvalue()


@lru_cache(maxsize=16)
def unpack(packed: bytes) -> Maps:
    """Return the maps that were packed.

    Raises:
        CollectionUnreadable: the bytes are damaged.
    """
    try:
        with np.load(io.BytesIO(packed), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError) as error:
        raise CollectionUnreadable(
            f"the maps of a derived space are damaged ({error}): make the space again with "
            "`crossmodal space add`"
        ) from error
    modalities = {name.partition(".")[0] for name in arrays}
    return {
        modality: AffineMap(*(arrays.get(f"{modality}.{part}") for part in _PARTS))
        for modality in modalities
    }


def apply(maps: Maps, modality: str, vectors: Floats) -> Floats:
    """Return vectors of a modality in the derived space; those without a map stay as they are."""
    return maps[modality](vectors) if modality in maps else vectors
