"""Teach our own small cross-attention to tell a picture from those that its base takes it for.

Owns the steps: binary cross-entropy over pairs, for each question the right picture and some of the
base's own ``top`` nearest wrong ones (hard negatives as in ALBEF: Li and others, NeurIPS 2021).
Captions ask, and pictures that share a caption with another ask for that one. The towers are
frozen, so pictures go through theirs once, and their tokens are all that is read. What decides is
the recall of the base's ``top`` in the order of the network, on what was held out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from crossmodal.encoders.rerankers.cross_attention import as_words
from crossmodal.encoders.rerankers.frozen_towers import FrozenTowers, Words
from crossmodal.encoders.rerankers.reranker import Tokens
from crossmodal.encoders.torch_threads import all_threads
from crossmodal.errors import PairsError
from crossmodal.training.checkpoint import Checkpoint
from crossmodal.training.epochs import (
    Epoch,
    Learned,
    Schedule,
    Steps,
    Weights,
    learn_or_resume,
)
from crossmodal.training.material import Ints
from crossmodal.training.recall import Recall, recall_of

if TYPE_CHECKING:
    import torch

    from crossmodal.encoders.rerankers.cross_attention_network import CrossAttention, Shape

_BLOCK = 64
_FIRST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossAttentionSpec(Schedule):
    """Say how the network is shaped and taught."""

    width: int = 256
    layers: int = 2
    heads: int = 4
    epochs: int = 12
    patience: int = 3
    top: int = 20
    """How many of the nearest wrong pictures of a question are drawn from."""
    drawn: int = 4
    """How many of them stand beside the right one at each step."""
    batch_size: int = 16
    """Questions a step, each of another picture."""
    learning_rate: float = 5e-4
    weight_decay: float = 0.05


@dataclass(frozen=True, slots=True)
class Taught:
    """Hold what is learned from: pictures' tokens, and captions each with its picture's place."""

    tokens: Sequence[Tokens]
    captions: Sequence[str]
    picture_of: Ints


@dataclass(frozen=True, slots=True)
class LearnedNetwork:
    """Hold the network of the best epoch, and the way there."""

    network: CrossAttention
    shape: Shape
    asks: tuple[str, ...]
    """The modalities of questions that it was taught."""
    first: Recall
    """Of the base's own order."""
    learned: Learned[Weights]


def learn_cross_attention(
    towers: FrozenTowers,
    taught: Taught,
    dev: Taught,
    spec: CrossAttentionSpec,
    checkpoint: Checkpoint,
    tick: Callable[[Epoch], None] = lambda epoch: None,
) -> LearnedNetwork:
    """Return the network of the epoch that orders ``dev`` best.

    Raises:
        PairsError: there are fewer than two pictures, or a caption has no picture.
        TrainingFailed: the loss is no number, or memory runs out, and no epoch before was better.
        PathError: the state after an epoch cannot be kept.
    """
    for side in (taught, dev):
        _refuse(side)
    with all_threads():
        learner = Learner(towers, taught, dev, spec)
        first = learner.measure()
        learned = learn_or_resume(learner, spec, checkpoint, tick)
        if learned.weights:
            learner.network.load_state_dict(learned.weights)
    return LearnedNetwork(learner.network.eval(), learner.shape, learner.asks, first, learned)


def _refuse(taught: Taught) -> None:
    num = len(taught.tokens)
    if num < 2 or len(taught.captions) != len(taught.picture_of) or not len(taught.captions):
        raise PairsError(
            f"{num} pictures with {len(taught.captions)} captions teach nothing: two pictures or "
            "more are needed, and captions that each name one"
        )


class _Asked(NamedTuple):
    """Hold questions of one modality: the right pictures of each, and the nearest wrong ones."""

    own: Ints
    """(q,) whose question it is: the picture that was captioned, or that asks."""
    right: list[Ints]
    nearest: Ints
    """(q, top) wrong ones."""
    first: Ints
    """(q, top) the base's own order, right ones among them."""
    mean_cosine: float
    """Of the wrong ones."""


class _Questions:
    """Hold the words and tokens of one side, and what the base makes of them."""

    def __init__(self, towers: FrozenTowers, taught: Taught, top: int) -> None:
        import torch

        self.taught = taught
        self.tokens = torch.from_numpy(np.stack(taught.tokens))
        self._words = [
            towers.words(taught.captions[start : start + _BLOCK])
            for start in range(0, len(taught.captions), _BLOCK)
        ]
        texts = torch.cat([words.vectors for words in self._words])
        self.dim, self.words_width = texts.shape[1], self._words[0].states.shape[2]
        own = self.tokens[:, 0, : self.dim].float().to(texts.device)
        same = _same(taught)
        right = [same[caption] for caption in taught.captions]
        self.by_text = _asked((texts @ own.T).cpu().numpy(), taught.picture_of, right, top)
        self.by_picture = self._asked_by_pictures((own @ own.T).cpu().numpy(), same, top)

    def words(self, asked: Sequence[int]) -> Words:
        """Return what captions are to the network, together."""
        import torch

        one_by_one = [self._of(caption) for caption in asked]
        return Words(
            torch.cat([one.vectors for one in one_by_one]),
            torch.nn.utils.rnn.pad_sequence([one.states[0] for one in one_by_one], True),
            torch.nn.utils.rnn.pad_sequence([one.mask[0] for one in one_by_one], True),
        )

    def asking(self, pictures: Ints) -> Words:
        """Return what pictures are to the network where they ask."""
        return as_words(self.tokens[pictures].float(), self.dim)

    def _of(self, caption: int) -> Words:
        block, row = divmod(caption, _BLOCK)
        words = self._words[block]
        kept = words.mask[row].nonzero()[-1, 0] + 1
        rows = slice(row, row + 1)
        return Words(words.vectors[rows], words.states[rows, :kept], words.mask[rows, :kept])

    def _asked_by_pictures(
        self, cosines: np.ndarray, same: dict[str, Ints], top: int
    ) -> _Asked | None:
        """Return the questions of pictures that share a caption; None where none does."""
        alike: dict[int, set[int]] = {}
        for places in same.values():
            for place in places.tolist() if len(places) > 1 else []:
                alike.setdefault(place, set()).update(places.tolist())
        own = np.array(sorted(alike), np.int64)
        if not len(own):
            return None
        scores = cosines[own]
        scores[np.arange(len(own)), own] = -np.inf
        right = [np.array(sorted(alike[p] - {p}), np.int64) for p in own.tolist()]
        return _asked(scores, own, right, top)


def _same(taught: Taught) -> dict[str, Ints]:
    """Return by caption the pictures that are called so."""
    found: dict[str, dict[int, None]] = {}
    for caption, picture in zip(taught.captions, taught.picture_of, strict=True):
        found.setdefault(caption, {})[int(picture)] = None
    return {caption: np.array(list(places), np.int64) for caption, places in found.items()}


def _asked(scores: np.ndarray, own: Ints, right: list[Ints], top: int) -> _Asked:
    """Return questions with the base's order and its nearest wrong pictures.

    A picture that was called by the same words is not wrong.
    """
    first = _nearest(scores, top)
    for row, places in enumerate(right):
        scores[row, places] = -np.inf
    nearest = _nearest(scores, top)
    if nearest.shape[1] == 0:
        raise PairsError("a caption is that of every picture: none is left that is wrong")
    mean = float(np.take_along_axis(scores, nearest, axis=1).mean())
    return _Asked(np.asarray(own, np.int64), right, nearest, first, mean)


def _nearest(scores: np.ndarray, top: int) -> Ints:
    """Return (q, top) the best places, fewer where one has no more that count."""
    num = min(top, int(np.isfinite(scores).sum(axis=1).min()))
    return np.argsort(-scores, axis=1, kind="stable")[:, :num]


class Learner:
    """Take steps; keeps the network, the optimiser and the draw of pairs."""

    def __init__(
        self, towers: FrozenTowers, taught: Taught, dev: Taught, spec: CrossAttentionSpec
    ) -> None:
        import torch

        from crossmodal.encoders.rerankers.cross_attention_network import CrossAttention, Shape

        self._spec, self._device = spec, towers.encoder.device
        self._draw = np.random.default_rng(spec.seed)
        self._train = _Questions(towers, taught, spec.top)
        self._dev = _Questions(towers, dev, spec.top)
        self.asks = ("text", "image") if self._train.by_picture else ("text",)
        self.shape = Shape(
            words=self._train.words_width,
            patches=self._train.tokens.shape[2],
            dim=self._train.dim,
            width=spec.width,
            layers=spec.layers,
            heads=spec.heads,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(spec.seed)
            self.network = CrossAttention(self.shape)
        self.network.begin_at(self._train.by_text.mean_cosine)
        self.network.to(self._device)
        optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=spec.learning_rate, weight_decay=spec.weight_decay
        )
        self._steps = Steps(optimiser, self._draw, spec, len(taught.tokens))

    def epoch(self) -> float:
        """Go once through the pictures, each with one of its captions; return the mean loss."""
        import torch

        own = self._train.by_text.own
        order = self._draw.permutation(len(own))
        _, first = np.unique(own[order], return_index=True)
        captions = self._draw.permutation(order[first])
        size = self._spec.batch_size
        self.network.train()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._spec.seed + self._steps.num_taken)
            losses = [self._take(captions[s : s + size]) for s in range(0, len(captions), size)]
        return float(np.mean(losses))

    def measure(self) -> Recall:
        """Return how often the right picture is on top, and among ten, of the base's first ones."""
        ranks = [self._ranks(self._dev.by_text, by_picture=False)]
        if self._train.by_picture and self._dev.by_picture:
            ranks.append(self._ranks(self._dev.by_picture, by_picture=True))
        return recall_of(np.concatenate(ranks))

    def weights(self) -> Weights:
        """Return a copy of the network's weights, as they are by now."""
        return {name: values.detach().clone() for name, values in self.network.state_dict().items()}

    def state(self) -> dict[str, Any]:
        """Return all that is needed to go on from here."""
        return {"weights": self.weights(), **self._steps.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        self.network.load_state_dict(state["weights"])
        self._steps.restore(state)

    def _take(self, captions: Ints) -> float:
        import torch

        self._steps.begin()
        loss = self._loss(self._train.by_text, captions, by_picture=False)
        if asked := self._train.by_picture:
            # Two pictures of a thousand may share a caption by chance: they are to count as two
            # questions of an epoch, in which each picture is asked for once.
            num_pictures, num_asking = len(self._train.tokens), len(asked.own)
            num = math.ceil(len(captions) * num_asking / num_pictures)
            share = num_asking / (num_asking + num_pictures)
            some = self._draw.permutation(len(asked.own))[:num]
            loss = (1 - share) * loss + share * self._loss(asked, some, by_picture=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self._steps.optimiser.step()
        return float(loss.detach())

    def _loss(self, asked: _Asked, rows: Ints, *, by_picture: bool) -> torch.Tensor:
        """Return the loss of questions with a right picture, first, and wrong ones drawn."""
        import torch

        wrong = np.stack([self._wrong(asked.nearest[row]) for row in rows])
        right = np.array([self._right(asked, row, by_picture) for row in rows])[:, None]
        logits = self._logits(
            self._train, asked, rows, np.concatenate([right, wrong], axis=1), by_picture
        )
        fits = torch.zeros_like(logits)
        fits[:, 0] = 1
        weight = torch.tensor(float(logits.shape[1] - 1), device=logits.device)
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, fits, pos_weight=weight)

    def _right(self, asked: _Asked, row: int, by_picture: bool) -> int:
        """Return a right picture: the one that was captioned, or one like the picture that asks."""
        return int(self._draw.choice(asked.right[row]) if by_picture else asked.own[row])

    def _wrong(self, found: Ints) -> Ints:
        return self._draw.choice(found, self._spec.drawn, replace=len(found) < self._spec.drawn)

    def _ranks(self, asked: _Asked, *, by_picture: bool) -> Ints:
        """Return (q,) the place of the first right one; of ``top`` where there is none."""
        import torch

        self.network.eval()
        found = np.full(len(asked.own), max(asked.first.shape[1], _FIRST), np.int64)
        for start in range(0, len(asked.own), self._spec.batch_size):
            rows = np.arange(start, min(start + self._spec.batch_size, len(asked.own)))
            with torch.no_grad():
                logits = self._logits(self._dev, asked, rows, asked.first[rows], by_picture)
            order = np.argsort(-logits.cpu().numpy(), axis=1, kind="stable")
            for row, places in zip(rows, order, strict=True):
                hits = np.flatnonzero(np.isin(asked.first[row][places], asked.right[row]))
                if len(hits):
                    found[row] = hits[0]
        return found

    def _logits(
        self, side: _Questions, asked: _Asked, rows: Ints, places: Ints, by_picture: bool
    ) -> torch.Tensor:
        """Return (q, each) logits of questions with pictures of their side."""
        import torch

        num, each = places.shape
        words = side.asking(asked.own[rows]) if by_picture else side.words(rows.tolist())
        tokens = side.tokens[torch.from_numpy(places.flatten())].float()
        logits: torch.Tensor = self.network(
            words.vectors.to(self._device).repeat_interleave(each, 0),
            words.states.to(self._device).repeat_interleave(each, 0),
            words.mask.to(self._device).repeat_interleave(each, 0),
            tokens.to(self._device),
            by_picture,
        )
        return logits.view(num, each)
