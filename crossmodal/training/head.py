"""Learn a residual linear map on stored vectors: the ``head`` depth, with no forward pass at all.

Symmetric contrastive loss: CLIP's softmax with a learned scale (Radford and others, ICML 2021), or
SigLIP's sigmoid (Zhai and others, ICCV 2023). One caption a picture a batch; captions that fit
another picture of the batch are no negatives. What is kept is the epoch of the best dev recall: the
loss may rise while recall does. Invariant: one seed gives one map, bit for bit, on one machine.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crossmodal.errors import TrainingFailed
from crossmodal.training.losses import Batch, loss_of
from crossmodal.training.recall import Recall, recall
from crossmodal.vectors.affine import AffineMap, Floats, Maps, apply

if TYPE_CHECKING:
    import torch

Ints = npt.NDArray[np.int64]
_FIRST_SCALE = 100.0
"""What CLIP's scale ends at."""
_MAX_SCALE = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadSpec:
    """Say how to learn."""

    sides: tuple[str, ...] = ("text", "image")
    loss: str = "clip"
    """clip or siglip."""
    epochs: int = 60
    batch_size: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 0.1
    """Draws the map back to leaving vectors as they are."""
    warm_up: float = 0.1
    """Share of the steps."""
    patience: int = 8
    """Epochs without a better dev recall."""
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Hold vectors with which captions tell of which pictures."""

    images: Floats
    texts: Floats
    picture_of: Ints
    """(m,): the picture that each text was written for."""
    text_keys: Ints
    """(m,): equal words, equal keys."""
    hard_images: Floats | None = None
    """(k, dim): pictures that were shown for a text and do not fit it."""
    hard_of: Ints | None = None
    """(k,): the text that each does not fit."""

    def of(self, pictures: Ints) -> Material:
        """Return the part of these pictures."""
        place = np.full(len(self.images), -1, np.int64)
        place[pictures] = np.arange(len(pictures))
        kept = place[self.picture_of] >= 0
        part = Material(
            images=self.images[pictures],
            texts=self.texts[kept],
            picture_of=place[self.picture_of[kept]],
            text_keys=self.text_keys[kept],
        )
        if self.hard_images is None or self.hard_of is None:
            return part
        of = np.where(kept, np.cumsum(kept) - 1, -1)[self.hard_of]
        return replace(part, hard_images=self.hard_images[of >= 0], hard_of=of[of >= 0])

    def joined(self, other: Material | None) -> Material:
        """Return both."""
        if other is None:
            return self
        shift = int(self.text_keys.max(initial=0)) + 1
        return replace(
            self,
            images=np.concatenate([self.images, other.images]),
            texts=np.concatenate([self.texts, other.texts]),
            picture_of=np.concatenate([self.picture_of, other.picture_of + len(self.images)]),
            text_keys=np.concatenate([self.text_keys, other.text_keys + shift]),
        )

    def recall(self, maps: Maps | None = None) -> Recall:
        """Return how well its texts find its pictures after these maps."""
        keys: list[set[int]] = [set() for _ in self.images]
        for picture, key in zip(self.picture_of, self.text_keys, strict=True):
            keys[picture].add(int(key))
        texts = apply(maps or {}, "text", self.texts)
        return recall(texts, apply(maps or {}, "image", self.images), self.text_keys, keys)


@dataclass(frozen=True, slots=True)
class Epoch:
    """Hold what one epoch came to."""

    loss: float
    dev: Recall


@dataclass(slots=True)
class Learned:
    """Hold the best maps and the way there."""

    maps: Maps
    best: Recall
    best_epoch: int = 0
    epochs: list[Epoch] = field(default_factory=list)


def learn_head(
    train: Material, dev: Material, spec: HeadSpec, tick: Callable[[Epoch], None]
) -> Learned:
    """Return the maps of the epoch with the best dev recall.

    Raises:
        TrainingFailed: the loss is no number any more, and no epoch before it was any better.
    """
    with _one_thread():
        return _learn(train, dev, spec, tick)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch add up in one order, whatever else the machine does; the matrices are small."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _learn(
    train: Material, dev: Material, spec: HeadSpec, tick: Callable[[Epoch], None]
) -> Learned:
    learner = _Learner(train, spec)
    learned = Learned({}, dev.recall())
    for number in range(1, spec.epochs + 1):
        loss = learner.epoch()
        if not math.isfinite(loss):
            if learned.best_epoch:
                break  # the last good epoch is kept
            raise TrainingFailed(
                f"the loss of epoch {number} is {loss}: take a smaller --learning-rate than "
                f"{spec.learning_rate:g}"
            )
        maps = learner.maps()
        found = Epoch(loss, dev.recall(maps))
        learned.epochs.append(found)
        tick(found)
        if found.dev.total > learned.best.total:
            learned.maps, learned.best, learned.best_epoch = maps, found.dev, number
        if number - learned.best_epoch >= spec.patience:
            break
    return learned


class _Learner:
    """Take steps; keeps the weights, the optimiser and the draw of batches."""

    def __init__(self, train: Material, spec: HeadSpec) -> None:
        import torch

        self._train, self._spec = train, spec
        self._draw = np.random.default_rng(spec.seed)
        self._captions = by_picture(train)
        self._hard = hard_by_text(train)
        self._images = torch.from_numpy(np.array(train.images))
        self._texts = torch.from_numpy(np.array(train.texts))
        dim = train.images.shape[1]
        self._weights = {side: torch.zeros(dim, dim, requires_grad=True) for side in spec.sides}
        self._scale = torch.tensor(math.log(_FIRST_SCALE), requires_grad=True)
        self._bias = torch.tensor(_first_bias(train), requires_grad=spec.loss == "siglip")
        maps = {"params": list(self._weights.values()), "weight_decay": spec.weight_decay}
        scalars = {"params": [self._scale, self._bias], "weight_decay": 0.0}
        self._optimiser = torch.optim.AdamW([maps, scalars], lr=spec.learning_rate)
        self._num_steps = spec.epochs * math.ceil(len(train.images) / spec.batch_size)
        self._step = 0

    def epoch(self) -> float:
        """Go once through the pictures, each with one of its captions; return the mean loss."""
        order = self._draw.permutation(len(self._train.images))
        size = self._spec.batch_size
        batches = [order[start : start + size] for start in range(0, len(order), size)]
        return float(np.mean([self._take(batch) for batch in batches if len(batch) > 1]))

    def maps(self) -> Maps:
        """Return the maps that the weights are by now."""
        same = np.eye(self._train.images.shape[1], dtype=np.float32)
        return {
            side: AffineMap(matrix=same + weights.detach().numpy())
            for side, weights in self._weights.items()
        }

    def _take(self, pictures: Ints) -> float:
        captions = np.array([self._draw.choice(self._captions[p]) for p in pictures])
        for group in self._optimiser.param_groups:
            group["lr"] = self._spec.learning_rate * self._share()
        self._step += 1
        loss = self._loss(pictures, captions)
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        return float(loss.detach())

    def _share(self) -> float:
        """Return the share of the learning rate: up in a line, down along a cosine."""
        done = self._step / max(1, self._num_steps)
        if done < self._spec.warm_up:
            return (self._step + 1) / (self._spec.warm_up * self._num_steps + 1)
        rest = (done - self._spec.warm_up) / (1 - self._spec.warm_up)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, rest)))

    def _loss(self, pictures: Ints, captions: Ints) -> torch.Tensor:
        import torch

        batch = Batch(
            images=self._mapped("image", self._images[torch.from_numpy(pictures)]),
            texts=self._mapped("text", self._texts[torch.from_numpy(captions)]),
            keys=torch.from_numpy(self._train.text_keys[captions]),
            hard=self._drawn(captions),
        )
        scale = self._scale.exp().clamp(max=_MAX_SCALE)
        return loss_of(self._spec.loss, batch, scale, self._bias)

    def _drawn(self, captions: Ints) -> tuple[torch.Tensor, torch.Tensor] | None:
        import torch

        drawn = drawn_hard(self._hard, captions, self._draw)
        if drawn is None or self._train.hard_images is None:
            return None
        rows, places = drawn
        images = torch.from_numpy(self._train.hard_images[places])
        return torch.from_numpy(rows), self._mapped("image", images)

    def _mapped(self, side: str, vectors: torch.Tensor) -> Any:
        import torch

        if side not in self._weights:
            return vectors
        return torch.nn.functional.normalize(vectors + vectors @ self._weights[side], dim=-1)


@dataclass(frozen=True, slots=True)
class Swept:
    """Hold one step of the way from the base to what was learned."""

    share: float
    dev: Recall
    kept: Recall
    """On the pairs that are to stay as they are."""


def sweep(learned: Maps, dev: Material, keep: Material | None) -> list[Swept]:
    """Return WiSE-FT's steps from the base, 0, to all of what was learned, 1."""
    steps = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        maps = {side: each.towards(share) for side, each in learned.items()}
        steps.append(Swept(share, dev.recall(maps), (keep or dev).recall(maps)))
    return steps


def chosen(steps: list[Swept], max_forgotten: float) -> Swept:
    """Return the best step on dev among those that forget no more than is allowed (R@1)."""
    floor = steps[0].kept.at_1 - max_forgotten
    allowed = [step for step in steps if step.kept.at_1 >= floor]
    return max(allowed, key=lambda step: (step.dev.total, -step.share))


def _first_bias(material: Material) -> float:
    """Return a bias with which right pairs begin at even odds, and wrong ones below.

    SigLIP's own, -10, is for a scale of 10; a model that has learned already has another scale.
    """
    cosines = np.einsum("ij,ij->i", material.texts, material.images[material.picture_of])
    return -_FIRST_SCALE * float(np.mean(cosines))


def by_picture(material: Material) -> list[Ints]:
    """Return the texts of each picture."""
    order = np.argsort(material.picture_of, kind="stable")
    bounds = np.searchsorted(material.picture_of[order], np.arange(len(material.images) + 1))
    return [order[low:high] for low, high in itertools.pairwise(bounds)]


def hard_by_text(material: Material) -> dict[int, Ints]:
    """Return by text its hard negatives, of those that have any."""
    if material.hard_of is None:
        return {}
    found: dict[int, list[int]] = {}
    for place, text in enumerate(material.hard_of.tolist()):
        found.setdefault(text, []).append(place)
    return {text: np.array(places, np.int64) for text, places in found.items()}


def drawn_hard(
    hard: dict[int, Ints], captions: Ints, draw: np.random.Generator
) -> tuple[Ints, Ints] | None:
    """Draw one hard negative for each text of a batch that has any: rows of the batch, negatives.

    None where no text of the batch has one.
    """
    rows = [row for row, caption in enumerate(captions.tolist()) if caption in hard]
    if not rows:
        return None
    taken = [int(draw.choice(hard[int(captions[row])])) for row in rows]
    return np.array(rows, np.int64), np.array(taken, np.int64)
