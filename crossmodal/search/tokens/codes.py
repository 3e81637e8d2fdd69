"""Turn token vectors into the bytes that are kept, and back; and fewer of them where that is asked.

Late interaction takes cosines, so its tokens are kept in eight bits: each is scaled by its largest
component, which is rounded to 127 steps on either side. A component is off by at most half a step,
so that a cosine of a query token of length 1 is off by at most ``sqrt(dim) * largest / 254``.
What a network reads in place of a cosine is kept in float16.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crossmodal.encoders.rerankers.reranker import Floats, TokenReranker, Tokens
from crossmodal.errors import ExtraMissing, ModelUnsupported

_STEPS = 127
_SCALE_BYTES = 4


@dataclass(frozen=True, slots=True)
class TokenForm:
    """Say how the token vectors of one reranker are kept."""

    is_int8: bool = False
    """int8 with a float32 scale a token; otherwise float16."""
    pool: int = 1
    """About so many tokens of a candidate are joined to one; 1: none."""

    @classmethod
    def of(cls, name: str) -> TokenForm:
        """Return the form of a name; of an empty one, which files had before there were forms."""
        width, _, pool = name.partition("-pool")
        return cls(width == "int8", int(pool) if pool.isdecimal() else 1)

    @property
    def name(self) -> str:
        """Return it in the words that people and file names take: int8, int8-pool2, float16."""
        width = "int8" if self.is_int8 else "float16"
        return f"{width}-pool{self.pool}" if self.pool > 1 else width

    def coded(self, tokens: Tokens) -> tuple[int, bytes]:
        """Return how many tokens are kept of (t, dim), and their bytes."""
        if self.pool > 1:
            tokens = pooled(tokens, self.pool)
        return len(tokens), _in_int8(tokens) if self.is_int8 else _in_float16(tokens)

    def read(self, num: int, code: bytes) -> Tokens:
        """Return the (num, dim) tokens of bytes: float32 where they were int8, else float16."""
        if not self.is_int8:
            return np.frombuffer(code, np.float16).reshape(num, -1 if num else 0)
        scales = np.frombuffer(code, np.float32, num)
        steps = np.frombuffer(code, np.int8, offset=num * _SCALE_BYTES)
        read: Floats = steps.reshape(num, -1 if num else 0) * scales[:, None]
        return read


def form_of(reranker: TokenReranker, pool: int) -> TokenForm:
    """Return how tokens of a reranker are kept.

    Raises:
        ModelUnsupported: they cannot be pooled.
    """
    # What another room registers need not say so, and is kept as it is.
    is_late = bool(getattr(reranker, "is_late", False))
    if pool > 1 and not is_late:
        raise ModelUnsupported(
            f"{reranker.label} is no late interaction: its tokens cannot be pooled"
        )
    return TokenForm(is_late, pool)


def pooled(tokens: Tokens, factor: int) -> Floats:
    """Return (about t / factor, dim) float32 means of like tokens, of length 1.

    Clusters by Ward's linkage; those of one token stay as they are. After Clavié, Chaffin and
    Adams, "Reducing the footprint of multi-vector retrieval with minimal performance impact via
    token pooling" (2024), who cluster by rows of cosines; here by the vectors themselves.

    Raises:
        ExtraMissing: scipy is not installed.
    """
    vectors = np.asarray(tokens, np.float32)
    wanted = max(len(vectors) // factor, 1)
    if wanted >= len(vectors):
        return vectors
    try:
        from scipy.cluster.hierarchy import fcluster, linkage
    except ImportError as error:
        raise ExtraMissing(
            "to pool token vectors takes scipy, which is not installed: pip install "
            "'crossmodal[pool]'"
        ) from error
    clusters = fcluster(linkage(vectors, "ward"), wanted, "maxclust") - 1
    sums = np.zeros((int(clusters.max()) + 1, vectors.shape[1]), np.float32)
    np.add.at(sums, clusters, vectors)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.asarray(sums / np.maximum(lengths, 1e-9), np.float32)


def _in_int8(tokens: Tokens) -> bytes:
    vectors = np.asarray(tokens, np.float32)
    largest = np.abs(vectors).max(axis=1, initial=0)
    scales = np.asarray(np.where(largest > 0, largest, 1) / _STEPS, np.float32)
    steps = np.rint(vectors / scales[:, None]).astype(np.int8)
    return bytes(scales.tobytes() + steps.tobytes())


def _in_float16(tokens: Tokens) -> bytes:
    return np.ascontiguousarray(tokens, np.float16).tobytes()
