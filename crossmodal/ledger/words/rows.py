"""Share the arrays that postings and captions give to BM25."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]


class TermRows(NamedTuple):
    """Hold the postings of one term, (n,) each."""

    chunk_ids: Ids
    """Ascending."""
    tf: Scores
    num_words: Scores
