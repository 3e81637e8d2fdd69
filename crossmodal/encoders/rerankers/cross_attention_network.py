"""Hold the network of our own reranker: words attend to patches, a few layers deep.

Owns the arithmetic alone. It begins with the order of the dual encoder under it, whose cosine it
weighs, and learns what to add to it: its last layer is zero at first. Attention as in Vaswani and
others (2017), normalised before each step.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

_FIRST_SCALE = 20.0
_DROPOUT = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Say how wide and how deep the network is, and how wide what it reads is."""

    words: int
    """Width of the text tower's last states."""
    patches: int
    """Width of a picture's tokens."""
    dim: int
    """Of the dual encoder's own vectors."""
    width: int = 256
    layers: int = 2
    heads: int = 4


class CrossAttention(nn.Module):
    """Return the logit of a match for pairs of words and a picture's tokens."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.dim = shape.dim
        self.words_in = nn.Sequential(
            nn.LayerNorm(shape.words), nn.Dropout(_DROPOUT), nn.Linear(shape.words, shape.width)
        )
        self.patches_in = nn.Sequential(
            nn.LayerNorm(shape.patches), nn.Dropout(_DROPOUT), nn.Linear(shape.patches, shape.width)
        )
        self.pictures_in = nn.Sequential(
            nn.LayerNorm(shape.patches), nn.Dropout(_DROPOUT), nn.Linear(shape.patches, shape.width)
        )
        self.layers = nn.ModuleList(_Layer(shape.width, shape.heads) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.width)
        self.out = nn.Linear(shape.width, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        self.scale = nn.Parameter(torch.tensor(_FIRST_SCALE))

    def begin_at(self, cosine: float) -> None:
        """Let pairs of this cosine have even odds."""
        with torch.no_grad():
            self.out.bias.fill_(-float(self.scale) * cosine)

    def forward(
        self,
        vectors: torch.Tensor,
        words: torch.Tensor,
        mask: torch.Tensor,
        tokens: torch.Tensor,
        by_picture: bool = False,
    ) -> torch.Tensor:
        """Return (n,) logits.

        ``vectors`` (n, dim) are the dual encoder's own of the texts, ``words`` (n, t, words) its
        last states and ``mask`` (n, t) where there are any; ``tokens`` (n, 1 + p, patches) are the
        pictures': their own vector, filled up with zeros, and then their patches. Where a picture
        asks, its own vector and its patches (n, t, patches) are in the place of a text's.
        """
        cosine = (vectors * tokens[:, 0, : self.dim]).sum(dim=1)
        read = self.pictures_in if by_picture else self.words_in
        found, patches = read(words), self.patches_in(tokens[:, 1:])
        for layer in self.layers:
            found = layer(found, patches)
        kept = mask[:, :, None].to(found.dtype)
        pooled = (found * kept).sum(dim=1) / kept.sum(dim=1).clamp(min=1)
        logits: torch.Tensor = self.scale * cosine + self.out(self.norm(pooled))[:, 0]
        return logits


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.before = nn.LayerNorm(width)
        self.attend = nn.MultiheadAttention(width, heads, dropout=_DROPOUT, batch_first=True)
        self.think = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 2 * width),
            nn.GELU(),
            nn.Dropout(_DROPOUT),
            nn.Linear(2 * width, width),
        )

    def forward(self, words: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
        seen, _ = self.attend(self.before(words), patches, patches, need_weights=False)
        words = words + seen
        thought: torch.Tensor = words + self.think(words)
        return thought
