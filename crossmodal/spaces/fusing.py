"""Fuse the vector of a picture with that of the text that it belongs to, by a network learned once.

Intermediate fusion: v <- (1 - w) p + w t + MLP([p, t, c p t]), of length 1; p the picture, t the
text, p t their product, component by component. Owns the arithmetic and how weights are packed;
training learns them. A picture without a text keeps its vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from crossmodal.vectors.affine import AffineMap, Floats, Maps

FUSION = "fusion"
PRODUCT_SCALE = 20.0
"""c: the components of a product of two unit vectors are small."""
_HIDDEN, _OUT, _WEIGHT = "fusion hidden", "fusion out", "fusion weight"
_CUBIC, _INNER = 0.044715, float(np.sqrt(2 / np.pi))


@dataclass(frozen=True, slots=True, eq=False)
class Fusion:
    """Hold the weights; ``share`` of what the network adds is taken."""

    weight: float
    """w: the share of the text in the mean."""
    hidden: Floats
    """(3 dim, width)."""
    hidden_bias: Floats
    out: Floats
    """(width, dim)."""
    out_bias: Floats

    def __call__(self, pictures: Floats, texts: Floats) -> Floats:
        """Return (n, dim) fused unit vectors of (n, dim) pictures and texts."""
        given = np.concatenate([pictures, texts, PRODUCT_SCALE * pictures * texts], axis=1)
        added = _gelu(given @ self.hidden + self.hidden_bias) @ self.out + self.out_bias
        fused = (1 - self.weight) * pictures + self.weight * texts + added
        lengths = np.linalg.norm(fused, axis=1, keepdims=True)
        return np.asarray(fused / np.maximum(lengths, 1e-9), np.float32)

    def towards(self, share: float, weight: float) -> Self:
        """Return the fusion a ``share`` of the way from the mean by ``weight`` to this one."""
        return type(self)(
            weight + share * (self.weight - weight),
            self.hidden,
            self.hidden_bias,
            np.asarray(share * self.out, np.float32),
            np.asarray(share * self.out_bias, np.float32),
        )

    def packed(self) -> Maps:
        """Return it as maps that no modality is called by, so that a query stays as it is."""
        return {
            _HIDDEN: AffineMap(self.hidden_bias, self.hidden),
            _OUT: AffineMap(self.out_bias, self.out),
            _WEIGHT: AffineMap(np.array([self.weight], np.float32)),
        }

    @classmethod
    def unpacked(cls, maps: Maps) -> Self:
        """Return what was packed."""
        hidden, out, weight = maps[_HIDDEN], maps[_OUT], maps[_WEIGHT].mean
        assert hidden.matrix is not None
        assert hidden.mean is not None
        assert out.matrix is not None
        assert out.mean is not None
        assert weight is not None
        return cls(float(weight[0]), hidden.matrix, hidden.mean, out.matrix, out.mean)


def _gelu(values: Floats) -> Floats:
    """Return GELU by its tanh form (Hendrycks and Gimpel, 2016)."""
    inner = _INNER * (values + _CUBIC * values**3)
    return np.asarray(0.5 * values * (1 + np.tanh(inner)), np.float32)
