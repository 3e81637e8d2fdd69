"""Tell which chunks pass a filter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Allowed:
    """Hold which chunks pass a filter."""

    by_id: np.ndarray
    """(largest id + 2,) bool; the last is False and stands for every id that is not in here."""

    @classmethod
    def of(cls, chunk_ids: np.ndarray) -> Allowed:
        """Return what lets through exactly these, none of which is negative."""
        by_id = np.zeros(int(chunk_ids.max(initial=-1)) + 2, dtype=bool)
        by_id[chunk_ids] = True
        return cls(by_id)

    def among(self, chunk_ids: np.ndarray) -> np.ndarray:
        """Return (n,) bool for (n,) int64 ids."""
        last = len(self.by_id) - 1
        inside = (chunk_ids >= 0) & (chunk_ids < last)
        return np.asarray(self.by_id[np.where(inside, chunk_ids, last)])
