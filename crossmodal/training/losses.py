"""Say how far a batch of texts and pictures is from finding each other.

CLIP's symmetric softmax (Radford and others, ICML 2021), or SigLIP's sigmoid (Zhai and others, ICCV
2023). What fits another row of the batch is no negative; a hard negative is one for its own text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Batch:
    """Hold unit vectors: text i was written for picture i."""

    images: torch.Tensor
    """(n, dim)."""
    texts: torch.Tensor
    """(n, dim)."""
    keys: torch.Tensor
    """(n,): equal words, equal keys."""
    hard: tuple[torch.Tensor, torch.Tensor] | None = None
    """Rows, and for each the vector of a picture that does not fit its text; a row may recur."""


def loss_of(kind: str, batch: Batch, scale: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Return the loss of a batch: ``clip`` with a scale, ``siglip`` with a bias too."""
    import torch

    scores = scale * batch.texts @ batch.images.T
    own = torch.eye(len(scores), dtype=torch.bool, device=scores.device)
    also_right = (batch.keys[:, None] == batch.keys[None, :]) & ~own
    against = _against(batch, scale)
    if kind == "siglip":
        return _sigmoid(scores + bias, own, also_right, against, bias)
    return _softmax(scores.masked_fill(also_right, -torch.inf), against)


def drift_of(texts: torch.Tensor, anchors: torch.Tensor) -> torch.Tensor:
    """Return the cosine distance of texts (n, dim) from their anchors, as a mean over the batch.

    Where a row of ``anchors`` (n, dim) is all zeros, the text has none and counts as not moved.
    """
    there = anchors.any(dim=1)
    return (1 - (texts * anchors).sum(dim=1))[there].sum() / len(texts)


def _softmax(scores: torch.Tensor, against: torch.Tensor | None) -> torch.Tensor:
    import torch

    right = torch.arange(len(scores), device=scores.device)
    entropy = torch.nn.functional.cross_entropy
    of_texts = scores if against is None else torch.cat([scores, against], dim=1)
    return (entropy(of_texts, right) + entropy(scores.T, right)) / 2


def _sigmoid(
    scores: torch.Tensor,
    own: torch.Tensor,
    also_right: torch.Tensor,
    against: torch.Tensor | None,
    bias: torch.Tensor,
) -> torch.Tensor:
    import torch

    log_sigmoid = torch.nn.functional.logsigmoid
    each = -log_sigmoid(torch.where(own, scores, -scores)).masked_fill(also_right, 0.0)
    total = each.sum()
    if against is not None:
        there = against > -torch.inf
        total = total - log_sigmoid(-(against[there] + bias)).sum()
    return total / len(scores)


def _against(batch: Batch, scale: torch.Tensor) -> torch.Tensor | None:
    """Return (n, k) the scores of texts with hard negatives; -inf where one is another text's."""
    import torch

    if batch.hard is None:
        return None
    rows, images = batch.hard
    texts = torch.arange(len(batch.texts), device=rows.device)
    return (scale * batch.texts @ images.T).masked_fill(texts[:, None] != rows, -torch.inf)
