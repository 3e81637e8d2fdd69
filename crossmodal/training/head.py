"""Learn a residual linear map on stored vectors: the ``head`` depth, with no forward pass at all.

Symmetric contrastive loss: CLIP's softmax with a learned scale (Radford and others, ICML 2021), or
SigLIP's sigmoid (Zhai and others, ICCV 2023). One caption a picture a batch; captions that fit
another picture of the batch are no negatives. What is kept is the epoch of the best dev recall: the
loss may rise while recall does. Invariant: one seed gives one map, bit for bit, on one machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crossmodal.encoders.torch_threads import one_thread
from crossmodal.training.epochs import Epoch, Learned, Schedule, Steps, learn_epochs
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
class HeadSpec(Schedule):
    """Say how to learn."""

    sides: tuple[str, ...] = ("text", "image")
    loss: str = "clip"
    """clip or siglip."""
    epochs: int = 60
    batch_size: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 0.1
    """Draws the map back to leaving vectors as they are."""
    patience: int = 8
    num_hard: int = 8
    """Hard negatives of a text that one step draws."""


def learn_head(
    train: Material, dev: Material, spec: HeadSpec, tick: Callable[[Epoch], None]
) -> Learned[Maps]:
    """Return the maps of the epoch with the best dev recall.

    Raises:
        TrainingFailed: the loss is no number any more, and no epoch before it was any better.
    """
    with one_thread():
        return learn_epochs(_Learner(train, dev, spec), spec, tick)


class _Learner:
    """Take steps; keeps the weights, the optimiser and the draw of batches."""

    def __init__(self, train: Material, dev: Material, spec: HeadSpec) -> None:
        import torch

        self._train, self._dev, self._spec = train, dev, spec
        self._draw = np.random.default_rng(spec.seed)
        self._captions = by_picture(train)
        self._hard = hard_by_text(train)
        self._images = torch.from_numpy(np.array(train.images))
        self._texts = torch.from_numpy(np.array(train.texts))
        dim = train.images.shape[1]
        self._maps = {side: torch.zeros(dim, dim, requires_grad=True) for side in spec.sides}
        self._scale = torch.tensor(math.log(_FIRST_SCALE), requires_grad=True)
        self._bias = torch.tensor(_first_bias(train), requires_grad=spec.loss == "siglip")
        maps = {"params": list(self._maps.values()), "weight_decay": spec.weight_decay}
        scalars = {"params": [self._scale, self._bias], "weight_decay": 0.0}
        optimiser = torch.optim.AdamW([maps, scalars], lr=spec.learning_rate)
        self._steps = Steps(optimiser, self._draw, spec, len(train.images))

    def epoch(self) -> float:
        """Go once through the pictures, each with one of its captions; return the mean loss."""
        return self._steps.through(self._draw.permutation(len(self._train.images)), self._take)

    def measure(self) -> Recall:
        """Return how well texts find the pictures held out by now."""
        return self._dev.recall(self.weights())

    def weights(self) -> Maps:
        """Return the maps that the weights are by now."""
        same = np.eye(self._train.images.shape[1], dtype=np.float32)
        return {
            side: AffineMap(matrix=same + weights.detach().numpy())
            for side, weights in self._maps.items()
        }

    def _take(self, pictures: Ints) -> float:
        captions = np.array([self._draw.choice(self._captions[p]) for p in pictures])
        self._steps.begin()
        loss = self._loss(pictures, captions)
        loss.backward()  # type: ignore[no-untyped-call]
        self._steps.optimiser.step()
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

        if side not in self._maps:
            return vectors
        return torch.nn.functional.normalize(vectors + vectors @ self._maps[side], dim=-1)


def _first_bias(material: Material) -> float:
    """Return a bias with which right pairs begin at even odds, and wrong ones below.

    SigLIP's own, -10, is for a scale of 10; a model that has learned already has another scale.
    """
    cosines = np.einsum("ij,ij->i", material.texts, material.images[material.picture_of])
    return -_FIRST_SCALE * float(np.mean(cosines))
