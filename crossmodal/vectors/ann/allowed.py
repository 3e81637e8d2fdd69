"""Test which chunks pass a filter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Allowed:
    """Hold a lookup table of the chunk ids that pass a filter."""

    by_id: np.ndarray
    """(largest id + 2,) bool; the last entry is False and stands for all larger or negative ids."""

    @classmethod
    def of(cls, chunk_ids: np.ndarray) -> Allowed:
        """Return the table for (n,) non-negative int64 ids."""
        by_id = np.zeros(int(chunk_ids.max(initial=-1)) + 2, dtype=bool)
        by_id[chunk_ids] = True
        return cls(by_id)

    def among(self, chunk_ids: np.ndarray) -> np.ndarray:
        """Return (n,) bool: whether each of (n,) int64 ids passes."""
        last = len(self.by_id) - 1
        inside = (chunk_ids >= 0) & (chunk_ids < last)
        return np.asarray(self.by_id[np.where(inside, chunk_ids, last)])
