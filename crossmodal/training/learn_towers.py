"""Train towers by the contrastive losses.

One caption a picture a batch; what fits another picture of the batch is no negative. The factor
before the loss is the model's own, exp(logit_scale), and is learned. Invariant: one seed gives one
set of weights on one machine, whether or not the training was killed between two epochs. A large
batch goes through the towers in parts, its gradients cached (GradCache: Gao and others, RepL4NLP
2021): the loss is that of the whole batch, memory that of a part. Texts that are to be kept may be
held where the base has them (Learning without Forgetting: Li and Hoiem, ECCV 2016).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from crossmodal.encoders.torch_threads import all_threads
from crossmodal.training.checkpoint import Checkpoint
from crossmodal.training.epochs import Epoch, Learned, Steps, Weights, learn_or_resume
from crossmodal.training.losses import Batch, drift_of, loss_of
from crossmodal.training.material import Ints, Material, by_picture, drawn_hard, hard_by_text
from crossmodal.training.precision import mixed
from crossmodal.training.recall import Recall
from crossmodal.training.spec import TowerSpec
from crossmodal.training.towers import TextTower

if TYPE_CHECKING:
    import torch

Hard = tuple[Ints, Ints]
"""Rows of a batch, and beside each a hard negative."""
_Part = tuple[str, Callable[[Ints], "torch.Tensor"], Ints]
_MAX_SCALE = 100.0


def learn_towers(
    tower: TextTower,
    train: Material,
    dev: Material,
    spec: TowerSpec,
    checkpoint: Checkpoint,
    tick: Callable[[Epoch], None],
) -> Learned[Weights]:
    """Return the weights of the epoch with the best dev recall; the tower holds the last one's.

    Raises as ``learn_or_resume`` does.
    """
    with all_threads():
        return learn_or_resume(Learner(tower, train, dev, spec), spec, checkpoint, tick)


class Learner:
    """Take steps; keeps the optimiser and the draw of batches."""

    def __init__(self, tower: TextTower, train: Material, dev: Material, spec: TowerSpec) -> None:
        import torch

        self._tower, self._train, self._dev, self._spec = tower, train, dev, spec
        self._kind = tower.own_loss if spec.loss == "auto" else spec.loss
        self._draw = np.random.default_rng(spec.seed)
        self._captions = by_picture(train)
        self._hard = hard_by_text(train)
        self._bias = tower.bias
        moving = dict(tower.moving())
        if self._bias is None:
            self._bias = torch.zeros((), device=tower.device)
            if self._kind == "siglip":  # of a model that was trained by softmax
                self._bias = torch.nn.Parameter(_first_bias(tower, train))
                moving["bias"] = self._bias
        groups: list[dict[str, Any]] = [
            {"params": [p for p in moving.values() if p.ndim > 1]},
            {"params": [p for p in moving.values() if p.ndim <= 1], "weight_decay": 0.0},
        ]
        optimiser = torch.optim.AdamW(groups, lr=spec.learning_rate, weight_decay=spec.weight_decay)
        self._steps = Steps(optimiser, self._draw, spec, len(train.images))

    def epoch(self) -> float:
        """Go once through the pictures, each with one of its captions; return the mean loss."""
        return self._steps.through(self._draw.permutation(len(self._train.images)), self._take)

    def measure(self) -> Recall:
        """Return how well texts find the pictures held out by now."""
        return self._tower.encoded(self._dev).recall()

    def weights(self) -> Weights:
        """Return a copy of what is trained, as it is by now."""
        return self._tower.weights()

    def state(self) -> dict[str, Any]:
        """Return all that is needed to go on from here."""
        return {
            "weights": self._tower.weights(),
            "bias": None if self._bias is None else self._bias.detach(),
            **self._steps.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        import torch

        self._tower.put(state["weights"])
        self._steps.restore(state)
        with torch.no_grad():
            if self._bias is not None:
                self._bias.copy_(state["bias"])

    def _take(self, pictures: Ints) -> float:
        captions = np.array([self._draw.choice(self._captions[p]) for p in pictures])
        self._steps.begin()
        hard = drawn_hard(self._hard, captions, self._draw, self._spec.num_hard)
        parts = self._parts(pictures, captions, hard)
        if not 0 < self._spec.at_once < len(pictures):
            vectors = {side: run(places) for side, run, places in parts}
            loss = self._loss(vectors, captions, hard)
            loss.backward()  # type: ignore[no-untyped-call]
        else:
            loss = self._cached(parts, captions, hard)
        self._steps.optimiser.step()
        return float(loss.detach())

    def _parts(self, pictures: Ints, captions: Ints, hard: Hard | None) -> list[_Part]:
        """Return what goes through the towers for a batch: by side, through what, and which."""
        tower, train = self._tower, self._train
        parts: list[_Part] = [
            ("images", self._run(lambda places: tower.images(train, places)), pictures),
            ("texts", self._run(lambda places: tower.texts(_words(train, places))), captions),
        ]
        if hard is not None:
            of_hard = self._run(lambda places: tower.images(train, places, hard=True))
            parts.append(("hard", of_hard, hard[1]))
        return parts

    def _run(self, through: Callable[[Ints], torch.Tensor]) -> Callable[[Ints], torch.Tensor]:
        def run(places: Ints) -> torch.Tensor:
            with mixed(self._tower.device):
                return through(places)

        return run

    def _cached(self, parts: list[_Part], captions: Ints, hard: Hard | None) -> torch.Tensor:
        """Return the loss, its gradients taken in parts: vectors first, then back through each."""
        import torch

        size = self._spec.at_once
        cut = [
            (side, run, places[start : start + size])
            for side, run, places in parts
            for start in range(0, len(places), size)
        ]
        with torch.no_grad():
            made = [run(places) for _, run, places in cut]
        leaves = {
            side: torch.cat([v for v, (of, *_) in zip(made, cut, strict=True) if of == side])
            .detach()
            .requires_grad_()
            for side, *_ in parts
        }
        loss = self._loss(leaves, captions, hard)
        loss.backward()  # type: ignore[no-untyped-call]
        done = dict.fromkeys(leaves, 0)
        for side, run, places in cut:
            start, done[side] = done[side], done[side] + len(places)
            again, gradient = run(places), leaves[side].grad
            if again.requires_grad and gradient is not None:
                again.backward(gradient[start : done[side]])  # type: ignore[no-untyped-call]
        return loss

    def _loss(
        self, vectors: dict[str, torch.Tensor], captions: Ints, hard: Hard | None
    ) -> torch.Tensor:
        import torch

        device = self._tower.device
        against = None
        if hard is not None:
            against = (torch.from_numpy(hard[0]).to(device), vectors["hard"])
        batch = Batch(
            images=vectors["images"],
            texts=vectors["texts"],
            keys=torch.from_numpy(self._train.text_keys[captions]).to(device),
            hard=against,
        )
        assert self._bias is not None
        scale = self._tower.scale.exp().clamp(max=_MAX_SCALE)
        loss = loss_of(self._kind, batch, scale, self._bias)
        if not self._spec.anchor:
            return loss
        anchors = torch.from_numpy(self._train.texts[captions]).to(device)
        return loss + self._spec.anchor * drift_of(batch.texts, anchors)


def _words(train: Material, places: Ints) -> list[str]:
    return [train.words[place] for place in places]


def _first_bias(tower: TextTower, train: Material) -> torch.Tensor:
    """Return the bias with which right pairs begin at even odds, from a few of them."""
    import torch

    places = np.arange(min(64, len(train.words)))
    with tower.still():
        texts = tower.texts([train.words[place] for place in places])
        images = tower.images(train, train.picture_of[places])
        cosine = (texts * images).sum(dim=1).mean()
        return torch.as_tensor(-tower.scale.exp().clamp(max=_MAX_SCALE) * cosine).detach()
