"""Go through epochs until the dev recall stops to rise, and keep the best.

Owns the loop, its steps and their rate, that every training goes through, and the state after each
epoch of those that a killed run goes on with; refuses to know what is learned. Invariant: one seed
gives one set of weights on one machine, whether or not the training was killed between two epochs.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np

from crossmodal.encoders.forward import is_out_of_memory
from crossmodal.errors import TrainingFailed
from crossmodal.training.checkpoint import Checkpoint
from crossmodal.training.material import Ints
from crossmodal.training.recall import Recall

if TYPE_CHECKING:
    import torch

Weights = dict[str, "torch.Tensor"]
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Say for how long to learn, in which steps and at which rate."""

    epochs: int = 10
    """At most."""
    batch_size: int = 32
    learning_rate: float = 5e-5
    """The highest."""
    weight_decay: float = 0.01
    warm_up: float = 0.1
    """Share of the steps in which the rate rises."""
    patience: int = 4
    """Epochs without a better dev recall."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Epoch:
    """Hold what one epoch came to."""

    loss: float
    dev: Recall


@dataclass(slots=True)
class Learned(Generic[T]):
    """Hold the best of what was learned and the way there."""

    weights: T | None
    """None where no epoch was better than the beginning."""
    best: Recall
    best_epoch: int = 0
    epochs: list[Epoch] = field(default_factory=list)


class Learner(Protocol[T_co]):
    """Take the steps of an epoch; holds weights, optimiser and the draw."""

    def epoch(self) -> float:
        """Go once through what is learned from; return the mean loss."""

    def measure(self) -> Recall:
        """Return the figures on what was held out, by now."""

    def weights(self) -> T_co:
        """Return a copy of what is trained, as it is by now."""


class KeptLearner(Learner[Weights], Protocol):
    """Take steps that a killed run goes on with."""

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
    schedule: Schedule
    num_items: int
    """That an epoch goes through."""
    num_taken: int = 0

    def through(self, order: Ints, take: Callable[[Ints], float]) -> float:
        """Take a step for each batch of two items or more; return the mean of their losses."""
        size = self.schedule.batch_size
        batches = [order[start : start + size] for start in range(0, len(order), size)]
        return float(np.mean([take(batch) for batch in batches if len(batch) > 1]))

    def begin(self) -> None:
        """Set the rate of the next step, and forget the gradients of the one before."""
        num_steps = self.schedule.epochs * math.ceil(self.num_items / self.schedule.batch_size)
        share = _rate_share(self.num_taken, num_steps, self.schedule.warm_up)
        for group in self.optimiser.param_groups:
            group["lr"] = self.schedule.learning_rate * share
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


def learn_epochs(
    learner: Learner[T],
    schedule: Schedule,
    tick: Callable[[Epoch], None],
    begun: Learned[T] | None = None,
    keep: Callable[[Learned[T]], None] = lambda learned: None,
) -> Learned[T]:
    """Return the weights of the epoch with the best dev recall; the learner holds the last one's.

    What was ``begun`` is gone on with; ``keep`` is told of each epoch before ``tick`` is.

    Raises:
        TrainingFailed: the loss is no number, or memory runs out, and no epoch before was better.
    """
    learned = begun or Learned(None, learner.measure())
    while not _is_over(learned, schedule):
        loss = _tried(learner, learned, schedule)
        if loss is None:
            break  # the last good epoch is kept
        found = Epoch(loss, learner.measure())
        learned.epochs.append(found)
        if found.dev.total > learned.best.total:
            learned.weights, learned.best = learner.weights(), found.dev
            learned.best_epoch = len(learned.epochs)
        keep(learned)
        tick(found)
    return learned


def learn_or_resume(
    learner: KeptLearner,
    schedule: Schedule,
    checkpoint: Checkpoint,
    tick: Callable[[Epoch], None],
) -> Learned[Weights]:
    """Return what ``learn_epochs`` does, with the state kept after each epoch.

    Raises:
        TrainingFailed: the loss is no number, or memory runs out, and no epoch before was better.
        PathError: the state after an epoch cannot be kept.
    """
    state = checkpoint.load()
    begun = _restored(learner, state) if state else None
    for epoch in begun.epochs if begun else []:
        tick(epoch)
    return learn_epochs(
        learner,
        schedule,
        tick,
        begun,
        lambda learned: checkpoint.save(learner.state() | _kept(learned)),
    )


def digest_of(weights: Mapping[str, torch.Tensor]) -> str:
    """Return the SHA-256, in hex, of tensors and their names."""
    total = hashlib.sha256()
    for name in sorted(weights):
        total.update(name.encode())
        total.update(weights[name].detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()


def _rate_share(step: int, num_steps: int, warm_up: float) -> float:
    """Return the share of the learning rate: up in a line, down along a cosine."""
    done = step / max(1, num_steps)
    if done < warm_up:
        return (step + 1) / (warm_up * num_steps + 1)
    rest = (done - warm_up) / (1 - warm_up)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, rest)))


def _is_over(learned: Learned[T], schedule: Schedule) -> bool:
    num = len(learned.epochs)
    return num >= schedule.epochs or num - learned.best_epoch >= schedule.patience


def _tried(learner: Learner[T], learned: Learned[T], schedule: Schedule) -> float | None:
    """Return the loss of the next epoch; None where it failed and an earlier one was good."""
    number = len(learned.epochs) + 1
    try:
        loss = learner.epoch()
        problem = f"the loss of epoch {number} is {loss}: take a smaller --learning-rate than "
        problem += f"{schedule.learning_rate:g}"
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        loss = math.nan
        problem = f"memory ran out in epoch {number}: take a smaller --batch-size than "
        problem += f"{schedule.batch_size}"
    if math.isfinite(loss):
        return loss
    if learned.best_epoch:
        return None
    raise TrainingFailed(problem)


def _kept(learned: Learned[Weights]) -> dict[str, Any]:
    return {
        "best_weights": learned.weights or {},
        "best_epoch": learned.best_epoch,
        "best": _plain(learned.best),
        "epochs": [[epoch.loss, *_plain(epoch.dev)] for epoch in learned.epochs],
    }


def _restored(learner: KeptLearner, state: dict[str, Any]) -> Learned[Weights]:
    learner.restore(state)
    places = {name: weights.device for name, weights in learner.weights().items()}
    best = {name: weights.to(places[name]) for name, weights in state["best_weights"].items()}
    epochs = [Epoch(loss, Recall(*dev)) for loss, *dev in state["epochs"]]
    return Learned(best or None, Recall(*state["best"]), state["best_epoch"], epochs)


def _plain(found: Recall) -> list[float]:
    return [found.at_1, found.at_10]
