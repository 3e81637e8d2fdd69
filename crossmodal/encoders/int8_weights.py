"""Keep weights as integers of eight bits, a step a row, and read them again as numbers.

Owns the file ``model.int8.safetensors``: a matrix ``k`` lies as int8 under ``k`` with the float32
step of each of its rows under ``k.step``; what has no rows, or hardly any, lies as it is. Named so
that transformers, which would take the integers for weights, finds no file. What is computed is
computed in the format that was asked for: it is smaller on disk, and no faster.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from crossmodal.models.folder import INT8_WEIGHTS

if TYPE_CHECKING:
    import torch

_STEP = ".step"
_LARGEST = 127
_FEWEST = 1024
"""Weights of a tensor from which on its rounding saves anything."""


def are_int8(weights: Iterable[Path]) -> bool:
    """Say whether weight files hold integers."""
    return [path.name for path in weights] == [INT8_WEIGHTS]


def to_int8(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the tensors to store, rounded to the nearest of 255 steps in each row."""
    import torch

    stored: dict[str, torch.Tensor] = {}
    for name, values in weights.items():
        values = values.detach().cpu().float()
        if values.ndim < 2 or values.numel() < _FEWEST:
            stored[name] = values.contiguous().clone()
            continue
        steps = (values.flatten(1).abs().amax(1) / _LARGEST).clamp_min(1e-12)
        wide = steps.reshape(-1, *[1] * (values.ndim - 1))
        stored[name] = torch.round(values / wide).clamp(-_LARGEST, _LARGEST).to(torch.int8)
        stored[name + _STEP] = steps
    return stored


def from_int8(stored: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return float32 weights by name."""
    return {
        name: _restored(values, stored.get(name + _STEP))
        for name, values in stored.items()
        if not name.endswith(_STEP)
    }


def read_weights(paths: Iterable[Path]) -> dict[str, torch.Tensor]:
    """Return the tensors of a model's weight files by name, expanded where they are integers.

    Raises:
        OSError, SafetensorError: a file cannot be read.
    """
    import torch
    from safetensors.torch import load_file

    paths = tuple(paths)
    found: dict[str, torch.Tensor] = {}
    for path in paths:
        if path.suffix == ".safetensors":
            found |= load_file(path)
        else:
            found |= torch.load(path, map_location="cpu", weights_only=True)
    return from_int8(found) if are_int8(paths) else found


def _restored(values: torch.Tensor, steps: torch.Tensor | None) -> torch.Tensor:
    if steps is None:
        return values
    return values.float() * steps.reshape(-1, *[1] * (values.ndim - 1))
