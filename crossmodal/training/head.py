"""Learn a residual linear map on stored vectors: the ``head`` depth, with no forward pass at all.

Symmetric contrastive loss: CLIP's softmax with a learned scale (Radford and others, ICML 2021), or
SigLIP's sigmoid (Zhai and others, ICCV 2023). One caption a picture a batch; captions that fit
another picture of the batch are no negatives. What is kept is the epoch of the best dev recall: the
loss may rise while recall does. Invariant: one seed gives one map, bit for bit, on one machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from crossmodal.encoders.one_thread import one_thread
from crossmodal.errors import TrainingFailed
from crossmodal.training.losses import Batch, loss_of
from crossmodal.training.material import Ints, Material, by_picture, drawn_hard, hard_by_text
from crossmodal.training.recall import Recall
from crossmodal.vectors.affine import AffineMap, Maps

if TYPE_CHECKING:
    import torch

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
    num_hard: int = 8
    """Hard negatives of a text that one step draws."""
    seed: int = 0


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
    with one_thread():
        return _learn(train, dev, spec, tick)


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
            group["lr"] = self._spec.learning_rate * rate_share(
                self._step, self._num_steps, self._spec.warm_up
            )
        self._step += 1
        loss = self._loss(pictures, captions)
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        return float(loss.detach())

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

        drawn = drawn_hard(self._hard, captions, self._draw, self._spec.num_hard)
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


def rate_share(step: int, num_steps: int, warm_up: float) -> float:
    """Return the share of the learning rate: up in a line, down along a cosine."""
    done = step / max(1, num_steps)
    if done < warm_up:
        return (step + 1) / (warm_up * num_steps + 1)
    rest = (done - warm_up) / (1 - warm_up)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, rest)))


def _first_bias(material: Material) -> float:
    """Return a bias with which right pairs begin at even odds, and wrong ones below.

    SigLIP's own, -10, is for a scale of 10; a model that has learned already has another scale.
    """
    cosines = np.einsum("ij,ij->i", material.texts, material.images[material.picture_of])
    return -_FIRST_SCALE * float(np.mean(cosines))
