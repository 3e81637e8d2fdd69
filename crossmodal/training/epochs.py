"""Go through epochs until the dev recall stops to rise; keep the best, and the state after each.

Owns the loop, and the steps, that every training with a checkpoint goes through; refuses to know
what is learned. Invariant: one seed gives one set of weights on one machine, whether or not the
training was killed between two epochs.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from crossmodal.encoders.forward import is_out_of_memory
from crossmodal.errors import TrainingFailed
from crossmodal.training.checkpoint import Checkpoint
from crossmodal.training.head import Epoch, rate_share
from crossmodal.training.recall import Recall

if TYPE_CHECKING:
    import numpy as np
    import torch

Weights = dict[str, "torch.Tensor"]


class Learner(Protocol):
    """Take the steps of an epoch; holds weights, optimiser and the draw."""

    def epoch(self) -> float:
        """Go once through what is learned from; return the mean loss."""

    def measure(self) -> Recall:
        """Return the figures on what was held out, by now."""

    def weights(self) -> Weights:
        """Return a copy of what is trained, as it is by now."""

    def state(self) -> dict[str, Any]:
        """Return all that is needed to go on from here."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a state."""


@dataclass(slots=True)
class Steps:
    """Take the steps of a learner: their rate rises and falls; they go on where they stopped."""

    optimiser: torch.optim.Optimizer
    draw: np.random.Generator
    """Of all that is drawn on the way."""
    learning_rate: float
    """The highest."""
    warm_up: float
    """Share of the steps in which it rises."""
    num_steps: int
    num_taken: int = 0

    def begin(self) -> None:
        """Set the rate of the next step, and forget the gradients of the one before."""
        share = rate_share(self.num_taken, self.num_steps, self.warm_up)
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate * share
        self.num_taken += 1
        self.optimiser.zero_grad()

    def state(self) -> dict[str, Any]:
        """Return all that is needed to go on from here, but for the weights."""
        return {
            "optimiser": self.optimiser.state_dict(),
            "draw": json.dumps(self.draw.bit_generator.state),
            "step": self.num_taken,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a state."""
        self.optimiser.load_state_dict(state["optimiser"])
        self.draw.bit_generator.state = json.loads(state["draw"])
        self.num_taken = state["step"]


class Pace(Protocol):
    """Say for how long to go on, and what to say where it fails."""

    @property
    def epochs(self) -> int:
        """Return how many there are at most."""

    @property
    def patience(self) -> int:
        """Return after how many without a better dev recall it is over."""

    @property
    def learning_rate(self) -> float:
        """Return the highest."""

    @property
    def batch_size(self) -> int:
        """Return what a step takes."""


@dataclass(slots=True)
class LearnedWeights:
    """Hold the best weights and the way there."""

    weights: Weights
    """Empty where no epoch was better than the beginning."""
    best: Recall
    best_epoch: int = 0
    epochs: list[Epoch] = field(default_factory=list)


def learn_epochs(
    learner: Learner, pace: Pace, checkpoint: Checkpoint, tick: Callable[[Epoch], None]
) -> LearnedWeights:
    """Return the weights of the epoch with the best dev recall; the learner holds the last one's.

    Raises:
        TrainingFailed: the loss is no number, or memory runs out, and no epoch before was better.
        PathError: the state after an epoch cannot be kept.
    """
    learned = LearnedWeights({}, Recall(0.0, 0.0))
    if state := checkpoint.load():
        learned = _restored(learner, state)
        for epoch in learned.epochs:
            tick(epoch)
    else:
        learned.best = learner.measure()
    while not _is_over(learned, pace):
        loss = _tried(learner, learned, pace)
        if loss is None:
            break  # the last good epoch is kept
        found = Epoch(loss, learner.measure())
        learned.epochs.append(found)
        if found.dev.total > learned.best.total:
            learned.weights, learned.best = learner.weights(), found.dev
            learned.best_epoch = len(learned.epochs)
        checkpoint.save(learner.state() | _kept(learned))
        tick(found)
    return learned


def digest_of(weights: Mapping[str, torch.Tensor]) -> str:
    """Return the SHA-256, in hex, of tensors and their names."""
    total = hashlib.sha256()
    for name in sorted(weights):
        total.update(name.encode())
        total.update(weights[name].detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()


def _is_over(learned: LearnedWeights, pace: Pace) -> bool:
    num = len(learned.epochs)
    return num >= pace.epochs or num - learned.best_epoch >= pace.patience


def _tried(learner: Learner, learned: LearnedWeights, pace: Pace) -> float | None:
    """Return the loss of the next epoch; None where it failed and an earlier one was good."""
    number = len(learned.epochs) + 1
    try:
        loss = learner.epoch()
        problem = f"the loss of epoch {number} is {loss}: take a smaller --learning-rate than "
        problem += f"{pace.learning_rate:g}"
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        loss = math.nan
        problem = f"memory ran out in epoch {number}: take a smaller --batch-size than "
        problem += f"{pace.batch_size}"
    if math.isfinite(loss):
        return loss
    if learned.best_epoch:
        return None
    raise TrainingFailed(problem)


def _kept(learned: LearnedWeights) -> dict[str, Any]:
    return {
        "best_weights": learned.weights,
        "best_epoch": learned.best_epoch,
        "best": _plain(learned.best),
        "epochs": [[epoch.loss, *_plain(epoch.dev)] for epoch in learned.epochs],
    }


def _restored(learner: Learner, state: dict[str, Any]) -> LearnedWeights:
    learner.restore(state)
    places = {name: weights.device for name, weights in learner.weights().items()}
    best = {name: weights.to(places[name]) for name, weights in state["best_weights"].items()}
    epochs = [Epoch(loss, Recall(*dev)) for loss, *dev in state["epochs"]]
    return LearnedWeights(best, Recall(*state["best"]), state["best_epoch"], epochs)


def _plain(found: Recall) -> list[float]:
    return [found.at_1, found.at_10]
