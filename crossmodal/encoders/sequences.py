"""Make batches of token sequences for models that read pictures and sound as tokens.

Owns padding, the tokens around what stands for a picture or a sound, and that pictures and clips
of one batch are computed apart; refuses to run a model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from crossmodal.encoders.tokens import load_tokenizer
from crossmodal.models.clip_preprocess import frames_of

if TYPE_CHECKING:
    import torch


class Frame(NamedTuple):
    """Hold the tokens before and after those of an item."""

    before: list[int]
    after: list[int]

    def around(self, ids: Sequence[int]) -> list[int]:
        """Return the whole sequence of an item."""
        return [*self.before, *ids, *self.after]


class Sequences(NamedTuple):
    """Hold a batch of sequences, padded at their end."""

    ids: torch.Tensor
    """(n, t) int64."""
    mask: torch.Tensor
    """(n, t) int64, 0 where there is padding."""


def padded(rows: Sequence[Sequence[int]], padding: int, device: str) -> Sequences:
    """Return sequences of any length as one batch on a device."""
    import torch

    width = max(map(len, rows))
    ids = [[*row, *[padding] * (width - len(row))] for row in rows]
    mask = [[1] * len(row) + [0] * (width - len(row)) for row in rows]
    return Sequences(torch.tensor(ids, device=device), torch.tensor(mask, device=device))


Rows = npt.NDArray[np.uint8]
"""(n, 1 + patches, pixels of a patch, 3): pictures and clips as they travel."""


def pictures_and_clips(
    rows: Rows, of_pictures: Callable[[Rows], Any], of_clips: Callable[[Rows], Any], num: int
) -> Any:
    """Return the (n, dim) features of rows in their order, at most ``num`` rows computed at once.

    Their patches take much more memory than the pixels that they came from.
    """
    import torch

    is_clip = frames_of(rows) > 0
    kinds = ((np.flatnonzero(~is_clip), of_pictures), (np.flatnonzero(is_clip), of_clips))
    parts = [
        (places[i : i + num], features)
        for places, features in kinds
        for i in range(0, len(places), num)
    ]
    if len(parts) == 1:
        return parts[0][1](rows)
    found = torch.cat([features(rows[places]) for places, features in parts])
    order = np.argsort(np.concatenate([places for places, _ in parts]))
    return found[torch.from_numpy(order).to(found.device)]


class SpecialTokens:
    """Read texts of our own, in which the special tokens of a model are what they are."""

    def __init__(self, directory: Path) -> None:
        self._tokenizer: Any = load_tokenizer(directory, split_special=False)

    def name(self, token: int) -> str:
        """Return how a token is written."""
        return str(self._tokenizer.convert_ids_to_tokens(token))

    def ids(self, text: str, *, whole: bool) -> list[int]:
        """Return the tokens of a text; a ``whole`` one begins and ends as the model's texts do."""
        return list(self._tokenizer(text, add_special_tokens=whole)["input_ids"])
