"""Learn to fuse a picture with one of its captions, so that the others find it.

Each picture of a batch is fused with a caption drawn at random and asked for by another one, by
CLIP's symmetric softmax. Kept is the epoch of the best dev recall, and of the way from the weighted
mean to it the shortest that dev cannot tell from the best. Pictures with one caption teach nothing.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crossmodal.encoders.torch_threads import one_thread
from crossmodal.errors import PairsError, TrainingFailed
from crossmodal.spaces.fusing import PRODUCT_SCALE, Fusion
from crossmodal.training.epochs import Epoch, Steps, learn_epochs
from crossmodal.training.head import HeadSpec
from crossmodal.training.losses import Batch, loss_of
from crossmodal.training.material import Ints, Material, by_picture
from crossmodal.training.pairs import FEWEST_PAIRS
from crossmodal.training.recall import Recall, ranks_of, recall_of
from crossmodal.training.spec import FinetuneSpec, Prepared, Tuned
from crossmodal.training.sweep import SHARES, Swept, chosen
from crossmodal.vectors.affine import Floats, pack

if TYPE_CHECKING:
    import torch

MEAN_WEIGHT = 0.25
"""Of a caption in the weighted mean, which is what there is to beat (docs/quality.md)."""
_WIDTH = 256
_DROPOUT = 0.3
_SCALE = 100.0


@dataclass(frozen=True, slots=True)
class _Told:
    """Hold pictures, each fused with one caption, and what asks for them."""

    images: Floats
    fused_with: Floats
    asked: Floats
    of: Ints
    """(m,): the picture that each question is for."""

    def ranks(self, fusion: Fusion) -> Ints:
        keys: list[set[int]] = [{number} for number in range(len(self.images))]
        return ranks_of(self.asked, fusion(self.images, self.fused_with), self.of, keys)


def tune_fusion(prepared: Prepared, spec: FinetuneSpec, tick: Callable[[Epoch], None]) -> Tuned:
    """Learn, and go as far from the weighted mean as dev gains by.

    Raises:
        PairsError: too few pictures have several captions.
        TrainingFailed: the loss is no number any more, or nothing is better than the mean.
    """
    dev = _told(prepared.dev)
    if len(dev.images) < 2 or len(_of_several(prepared.train)) < FEWEST_PAIRS:
        raise PairsError(
            f"{len(_of_several(prepared.train)):,} pictures have two captions or more, and "
            f"{FEWEST_PAIRS} are the fewest that teach how to fuse: one caption of each is fused, "
            "the others ask"
        )
    with one_thread():
        learner = _Learner(prepared.train, dev, spec.head)
        first = learner.weights()
        learned = learn_epochs(learner, spec.head, tick)
    best = learned.weights or first
    keep = _told(prepared.keep) if prepared.keep else None
    steps = [_step(best, share, dev, keep) for share in SHARES]
    taken = chosen(steps, spec.max_forgotten if keep else math.inf, dev.of)
    if taken.share == 0:
        raise TrainingFailed(
            f"nothing was better than the mean with {MEAN_WEIGHT:.0%} of the caption on the "
            f"{len(dev.images):,} pictures held out, so nothing was registered: give more pairs "
            "or allow more to be forgotten with --max-forgotten"
        )
    maps = best.towards(taken.share, MEAN_WEIGHT).packed()
    return Tuned(
        maps=maps,
        weights_hash=hashlib.sha256(pack(maps)).hexdigest(),
        share=taken.share,
        base=steps[0],
        best=taken,
        steps=steps,
        epochs=learned.epochs,
        best_epoch=learned.best_epoch,
        sees_otherwise=True,
    )


def _of_several(material: Material) -> Ints:
    return np.flatnonzero(np.bincount(material.picture_of, minlength=len(material.images)) > 1)


def _told(material: Material) -> _Told:
    """Return pictures fused with their first caption, and asked for by the others."""
    captions = by_picture(material)
    several = _of_several(material)
    asked = [captions[place][1:] for place in several]
    return _Told(
        material.images[several],
        material.texts[[captions[place][0] for place in several]],
        material.texts[np.concatenate(asked)] if asked else material.texts[:0],
        np.repeat(np.arange(len(several)), [len(each) for each in asked]),
    )


def _step(best: Fusion, share: float, dev: _Told, keep: _Told | None) -> Swept:
    fusion = best.towards(share, MEAN_WEIGHT)
    ranks = dev.ranks(fusion)
    kept = ranks if keep is None else keep.ranks(fusion)
    return Swept(share, recall_of(ranks), recall_of(kept), ranks)


class _Learner:
    """Take steps; keeps the network, the optimiser and the draw of batches."""

    def __init__(self, train: Material, dev: _Told, spec: HeadSpec) -> None:
        import torch

        self._dev = dev
        self._draw = np.random.default_rng(spec.seed)
        self._pictures = _of_several(train)
        self._captions = by_picture(train)
        self._images = torch.from_numpy(np.array(train.images))
        self._texts = torch.from_numpy(np.array(train.texts))
        self._keys = torch.from_numpy(np.array(train.text_keys))
        dim = train.images.shape[1]
        self._generator = torch.Generator().manual_seed(spec.seed)
        first = torch.empty(3 * dim, _WIDTH)
        torch.nn.init.kaiming_uniform_(first, a=math.sqrt(5), generator=self._generator)
        self._parameters: dict[str, Any] = {
            "hidden": first.requires_grad_(),
            "hidden_bias": torch.zeros(_WIDTH, requires_grad=True),
            "out": torch.zeros(_WIDTH, dim, requires_grad=True),
            "out_bias": torch.zeros(dim, requires_grad=True),
            "weight": torch.tensor(MEAN_WEIGHT, requires_grad=True),
        }
        optimiser = torch.optim.AdamW(
            self._parameters.values(), lr=spec.learning_rate, weight_decay=0.1
        )
        self._steps = Steps(optimiser, self._draw, spec, len(self._pictures))

    def measure(self) -> Recall:
        """Return how well the other captions find the pictures held out by now."""
        return recall_of(self._dev.ranks(self.weights()))

    def weights(self) -> Fusion:
        """Return the fusion that the network is by now."""
        arrays = {name: p.detach().numpy().copy() for name, p in self._parameters.items()}
        return Fusion(weight=float(arrays.pop("weight")), **arrays)

    def epoch(self) -> float:
        """Go once through the pictures; return the mean loss."""
        return self._steps.through(self._draw.permutation(self._pictures), self._take)

    def _take(self, pictures: Ints) -> float:
        drawn = np.array([self._draw.choice(self._captions[p], 2, replace=False) for p in pictures])
        self._steps.begin()
        loss = self._loss(pictures, drawn)
        loss.backward()  # type: ignore[no-untyped-call]
        self._steps.optimiser.step()
        return float(loss.detach())

    def _loss(self, pictures: Ints, drawn: Ints) -> torch.Tensor:
        import torch

        fused_with, asked = torch.from_numpy(drawn[:, 0]), torch.from_numpy(drawn[:, 1])
        images, texts = self._images[torch.from_numpy(pictures)], self._texts[fused_with]
        put = self._parameters
        given = torch.cat([images, texts, PRODUCT_SCALE * images * texts], dim=1)
        hidden = torch.nn.functional.gelu(
            self._dropped(given) @ put["hidden"] + put["hidden_bias"], approximate="tanh"
        )
        added = self._dropped(hidden) @ put["out"] + put["out_bias"]
        fused = (1 - put["weight"]) * images + put["weight"] * texts + added
        batch = Batch(
            images=torch.nn.functional.normalize(fused, dim=1),
            texts=self._texts[asked],
            keys=self._keys[asked],
        )
        return loss_of("clip", batch, torch.tensor(_SCALE), torch.tensor(0.0))

    def _dropped(self, values: torch.Tensor) -> torch.Tensor:
        import torch

        kept = torch.rand(values.shape, generator=self._generator) >= _DROPOUT
        return values * kept / (1 - _DROPOUT)
