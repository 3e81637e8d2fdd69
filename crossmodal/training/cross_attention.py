"""Teach our own small cross-attention to tell a picture from those that its base takes it for.

Owns the steps: binary cross-entropy over pairs, for each caption its picture and some of the base's
own ``top`` nearest wrong ones (hard negatives as in ALBEF: Li and others, NeurIPS 2021). The towers
are frozen, so pictures go through theirs once, and their tokens are all that is read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crossmodal.encoders.rerankers.cross_attention import write
from crossmodal.encoders.rerankers.frozen_towers import FrozenTowers, Words
from crossmodal.encoders.rerankers.reranker import Tokens
from crossmodal.errors import PairsError, PathError, TrainingFailed
from crossmodal.training.head import one_thread, rate_share
from crossmodal.training.material import Ints

if TYPE_CHECKING:
    import torch

    from crossmodal.encoders.rerankers.cross_attention_network import CrossAttention, Shape

_WARM_UP = 0.1
_BLOCK = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossAttentionSpec:
    """Say how the network is shaped and taught."""

    width: int = 256
    layers: int = 2
    heads: int = 4
    epochs: int = 3
    top: int = 20
    """How many of the nearest wrong pictures of a caption are drawn from."""
    drawn: int = 4
    """How many of them stand beside the right one at each step."""
    batch_size: int = 16
    """Captions a step, each of another picture."""
    learning_rate: float = 5e-4
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Taught:
    """Hold what is learned from: pictures' tokens, and captions each with its picture's place."""

    tokens: Sequence[Tokens]
    captions: Sequence[str]
    picture_of: Ints


def learn_cross_attention(
    folder: Path,
    towers: FrozenTowers,
    taught: Taught,
    spec: CrossAttentionSpec,
    tick: Callable[[float], None] = lambda loss: None,
) -> CrossAttention:
    """Return the network, learned and written to ``folder`` with what a reranker needs.

    ``tick`` is told the mean loss of each epoch.

    Raises:
        PairsError: there are fewer than two pictures, or a caption has no picture.
        PathError: the folder holds something already.
        TrainingFailed: the loss is no number any more.
    """
    _refuse(folder, taught)
    with one_thread():
        learner = _Learner(towers, taught, spec)
        for number in range(1, spec.epochs + 1):
            loss = learner.epoch()
            if not math.isfinite(loss):
                raise TrainingFailed(
                    f"the loss of epoch {number} is {loss}: take a smaller learning rate than "
                    f"{spec.learning_rate}"
                )
            tick(loss)
    folder.mkdir(parents=True, exist_ok=True)
    write(folder, learner.network, learner.shape, towers)
    return learner.network.eval()


def _refuse(folder: Path, taught: Taught) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise PathError(f"{folder} holds something else, which stays: name another place")
    num = len(taught.tokens)
    if num < 2 or len(taught.captions) != len(taught.picture_of) or not len(taught.captions):
        raise PairsError(
            f"{num} pictures with {len(taught.captions)} captions teach nothing: two pictures or "
            "more are needed, and captions that each name one"
        )


class _Learner:
    """Take steps; keeps the network, the optimiser and the draw of pairs."""

    def __init__(self, towers: FrozenTowers, taught: Taught, spec: CrossAttentionSpec) -> None:
        import torch

        from crossmodal.encoders.rerankers.cross_attention_network import CrossAttention

        self._spec, self._taught = spec, taught
        self._draw = np.random.default_rng(spec.seed)
        self._words = [
            towers.words(taught.captions[start : start + _BLOCK])
            for start in range(0, len(taught.captions), _BLOCK)
        ]
        self._tokens = torch.from_numpy(np.stack(taught.tokens))
        self._nearest = self._mined()
        self.shape = self._shaped()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(spec.seed)
            self.network = CrossAttention(self.shape)
        self.network.begin_at(self._mean_cosine)
        self.network.to(towers.encoder.device)
        self._optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=spec.learning_rate, weight_decay=0.05
        )
        self._num_steps = spec.epochs * math.ceil(len(taught.tokens) / spec.batch_size)
        self._step = 0

    def epoch(self) -> float:
        """Go once through the pictures, each with one of its captions; return the mean loss."""
        import torch

        order = self._draw.permutation(len(self._taught.captions))
        _, first = np.unique(self._taught.picture_of[order], return_index=True)
        captions = self._draw.permutation(order[first])
        size = self._spec.batch_size
        self.network.train()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._spec.seed + self._step)
            losses = [self._take(captions[s : s + size]) for s in range(0, len(captions), size)]
        return float(np.mean(losses))

    def _take(self, captions: Ints) -> float:
        import torch

        share = rate_share(self._step, self._num_steps, _WARM_UP)
        for group in self._optimiser.param_groups:
            group["lr"] = self._spec.learning_rate * share
        self._step += 1
        loss = self._loss(captions)
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self._optimiser.step()
        return float(loss.detach())

    def _loss(self, captions: Ints) -> torch.Tensor:
        """Return the loss of captions with their own picture, first, and wrong ones drawn."""
        import torch

        wrong = np.stack([self._wrong(caption) for caption in captions])
        right = self._taught.picture_of[captions][:, None]
        places = torch.from_numpy(np.concatenate([right, wrong], axis=1))
        num, each = places.shape
        words = [self._of(int(caption)) for caption in captions]
        states = torch.nn.utils.rnn.pad_sequence([one.states[0] for one in words], True)
        mask = torch.nn.utils.rnn.pad_sequence([one.mask[0] for one in words], True)
        device = states.device
        logits = self.network(
            torch.cat([one.vectors for one in words]).repeat_interleave(each, 0),
            states.repeat_interleave(each, 0),
            mask.repeat_interleave(each, 0),
            self._tokens[places.flatten()].float().to(device),
        ).view(num, each)
        fits = torch.zeros_like(logits)
        fits[:, 0] = 1
        return torch.nn.functional.binary_cross_entropy_with_logits(
            logits, fits, pos_weight=torch.tensor(float(each - 1), device=device)
        )

    def _wrong(self, caption: int) -> Ints:
        found = self._nearest[caption]
        return self._draw.choice(found, self._spec.drawn, replace=len(found) < self._spec.drawn)

    def _of(self, caption: int) -> Words:
        block, row = divmod(caption, _BLOCK)
        words = self._words[block]
        kept = words.mask[row].nonzero()[-1, 0] + 1
        rows = slice(row, row + 1)
        return Words(words.vectors[rows], words.states[rows, :kept], words.mask[rows, :kept])

    def _mined(self) -> Ints:
        """Return (captions, top) wrong pictures that the base takes for nearest.

        A picture that was called by the same words is not wrong.
        """
        import torch

        texts = torch.cat([words.vectors for words in self._words])
        own = self._tokens[:, 0, : texts.shape[1]].float().to(texts.device)
        scores = (texts @ own.T).cpu().numpy()
        same: dict[str, list[int]] = {}
        for caption, picture in zip(self._taught.captions, self._taught.picture_of, strict=True):
            same.setdefault(caption, []).append(int(picture))
        for row, caption in enumerate(self._taught.captions):
            scores[row, same[caption]] = -np.inf
        num = min(self._spec.top, int(np.isfinite(scores).sum(axis=1).min()))
        if num == 0:
            raise PairsError("a caption is that of every picture: none is left that is wrong")
        found = np.argsort(-scores, axis=1, kind="stable")[:, :num]
        self._mean_cosine = float(np.take_along_axis(scores, found, axis=1).mean())
        return found

    def _shaped(self) -> Shape:
        from crossmodal.encoders.rerankers.cross_attention_network import Shape

        return Shape(
            words=self._words[0].states.shape[2],
            patches=self._tokens.shape[2],
            dim=self._words[0].vectors.shape[1],
            width=self._spec.width,
            layers=self._spec.layers,
            heads=self._spec.heads,
        )
