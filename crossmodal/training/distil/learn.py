"""Teach a student to give its teacher's vectors of pictures.

The loss is the cosine distance to the teacher's vector, and how far the cosines among the pictures
of a step are from those of the teacher (relational distillation: Park and others, CVPR 2019); each
picture is seen as it is or mirrored. What decides is whether the student has the same neighbours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crossmodal.encoders.image_text import TransformersEncoder
from crossmodal.training.distil.spec import Shown
from crossmodal.training.distil.student import TEXT_SIDE
from crossmodal.training.epochs import Schedule, Steps, Weights
from crossmodal.training.material import Ints
from crossmodal.training.pixels import PixelStore
from crossmodal.training.precision import mixed
from crossmodal.training.recall import Recall
from crossmodal.vectors.affine import Floats

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch

    from crossmodal.previews.preview import Subject

_AT_ONCE = 16
_TOP = 10


class StudentLearner:
    """Take steps; keeps the student, the optimiser and the draw."""

    def __init__(self, student: TransformersEncoder, shown: Shown, schedule: Schedule) -> None:
        import torch

        self.student, self._shown = student, shown
        self._store = PixelStore(student.preprocess)
        self._draw = np.random.default_rng(schedule.seed)
        for name, parameter in student.model.named_parameters():
            parameter.requires_grad_(not name.startswith(TEXT_SIDE))
        moving = [parameter for _, parameter in self._moving()]
        groups: list[dict[str, Any]] = [
            {"params": [p for p in moving if p.ndim > 1]},
            {"params": [p for p in moving if p.ndim <= 1], "weight_decay": 0.0},
        ]
        optimiser = torch.optim.AdamW(
            groups, lr=schedule.learning_rate, weight_decay=schedule.weight_decay
        )
        self._steps = Steps(optimiser, self._draw, schedule, len(shown.train))

    def epoch(self) -> float:
        """Go once through the pictures; return the mean loss."""
        return self._steps.through(self._draw.permutation(self._shown.train), self._take)

    def measure(self) -> Recall:
        """Return which neighbours of pictures held out are those that the teacher finds."""
        dev = self._shown.dev
        return neighbours(self.encoded([self._shown.pictures[p] for p in dev]), self._wanted(dev))

    def weights(self) -> Weights:
        """Return a copy of what is trained, as it is by now."""
        return {name: parameter.detach().clone() for name, parameter in self._moving()}

    def put(self, weights: Weights) -> None:
        """Set what is trained."""
        import torch

        with torch.no_grad():
            for name, parameter in self._moving():
                parameter.copy_(weights[name])

    def state(self) -> dict[str, Any]:
        """Return all that is needed to go on from here."""
        return {"weights": self.weights(), **self._steps.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        self.put(state["weights"])
        self._steps.restore(state)

    def pixels(self, pictures: Sequence[Subject]) -> np.ndarray:
        """Return pictures as the student takes them."""
        return self._store.of(pictures)

    def encoded(self, pictures: Sequence[Subject]) -> Floats:
        """Return (n, dim) vectors of pictures, as the student gives them by now."""
        import torch

        found = np.zeros((len(pictures), self.student.version.dim), np.float32)
        for start in range(0, len(pictures), _AT_ONCE):
            some = pictures[start : start + _AT_ONCE]
            with torch.no_grad(), mixed(self.student.device):
                vectors = self.student.trained_images(self.pixels(some))
            found[start : start + len(some)] = vectors.cpu().numpy()
        return found

    def _moving(self) -> Iterator[tuple[str, torch.nn.Parameter]]:
        return ((n, p) for n, p in self.student.model.named_parameters() if p.requires_grad)

    def _wanted(self, places: Ints) -> Floats:
        return self._shown.vectors[places]

    def _take(self, places: Ints) -> float:
        import torch

        self._steps.begin()
        pixels = self.pixels([self._shown.pictures[place] for place in places])
        mirrored = self._draw.random(len(places)) < 0.5
        pixels[mirrored] = pixels[mirrored, :, ::-1]
        device = self.student.device
        wanted = torch.from_numpy(self._wanted(places)).to(device)
        with mixed(device):
            found = self.student.trained_images(pixels)
        loss = loss_of(found, wanted)
        loss.backward()  # type: ignore[no-untyped-call]
        self._steps.optimiser.step()
        return float(loss.detach())


def loss_of(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Return how far (n, dim) unit vectors are from those wanted, and their cosines from theirs."""
    away = 1 - (found * wanted).sum(dim=1).mean()
    return away + (found @ found.T - wanted @ wanted.T).square().mean()


def neighbours(found: Floats, wanted: Floats) -> Recall:
    """Return which share of the teacher's nearest picture, and of its first ten, is found too.

    Both are (n, dim); each picture asks for the others. Where there are few, fewer than ten count.
    """
    num = min(_TOP, max(1, len(found) // 4))
    ours, theirs = _order(found, num), _order(wanted, num)
    first = float((ours[:, 0] == theirs[:, 0]).mean())
    shared = [len(set(a) & set(b)) / num for a, b in zip(ours, theirs, strict=True)]
    return Recall(first, float(np.mean(shared)))


def _order(vectors: Floats, num: int) -> Ints:
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    return np.argsort(-scores, axis=1, kind="stable")[:, :num]
