"""Turn the colours of pictures into directions that set them apart.

Only where somebody asks for it: who likes three red cars may mean red, who likes three dresses
hardly means their colours, and three examples cannot tell (docs/recommend.md). Pure arithmetic on
histograms of colours; knows no collection.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


WEIGHT = 0.5
"""Of the likeness in colours beside that in what is seen, where colours count whole.

Chosen on cars that are neither red nor blue, of 0.1 to 4.
"""


def as_they_count(histograms: Floats, share: float) -> Floats:
    """Return (n, 16) float32: colours without what all have in common, of the length they count.

    ``histograms`` is (n, 16); rows of zeros, colours that are not known, stay zeros. ``share`` is
    from 0, not at all, to 1.
    """
    known = histograms.any(axis=1)
    apart = np.zeros_like(histograms)
    if known.any():
        rows = histograms[known] - histograms[known].mean(axis=0)
        apart[known] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return np.asarray(apart * np.sqrt(WEIGHT * share), np.float32)
