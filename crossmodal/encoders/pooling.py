"""Make one vector of a text's token vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def pool(hidden_NTD: torch.Tensor, mask_NT: torch.Tensor, mode: str) -> torch.Tensor:
    """Return (n, dim) float32 vectors: cls, max, mean or lasttoken over the unmasked tokens.

    Padding may stand on either side. A text without any token gets a vector of zeros.
    """
    hidden_NTD = hidden_NTD.float()
    mask_NT1 = mask_NT.bool().unsqueeze(-1)
    if mode == "mean":
        total_ND = hidden_NTD.masked_fill(~mask_NT1, 0).sum(dim=1)
        return total_ND / mask_NT1.sum(dim=1).clamp(min=1)
    if mode == "max":
        return hidden_NTD.masked_fill(~mask_NT1, float("-inf")).amax(dim=1)
    place_N = _first(mask_NT) if mode == "cls" else _last(mask_NT)
    rows_N = place_N.new_tensor(range(len(place_N)))
    return hidden_NTD[rows_N, place_N]


def _first(mask_NT: torch.Tensor) -> torch.Tensor:
    return mask_NT.long().argmax(dim=1)


def _last(mask_NT: torch.Tensor) -> torch.Tensor:
    return mask_NT.shape[1] - 1 - mask_NT.flip(1).long().argmax(dim=1)
