"""Say what is asked of a distillation, what it is given and what comes of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from crossmodal.previews.preview import Subject
from crossmodal.records import ModelVersion
from crossmodal.training.distil.shape import Shape
from crossmodal.training.epochs import Epoch, Schedule
from crossmodal.training.material import Ints
from crossmodal.training.recall import Recall
from crossmodal.vectors.affine import Floats

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class DistilSpec:
    """Say what to learn from, what the student is to be, and how."""

    teacher: str
    images: str = ""
    """A folder of pictures; empty for those of the collection."""
    captions: str = ""
    """Pairs by which teacher and student are compared; nothing is learned from them."""
    size: str = "half"
    layers: int = 0
    patch: int = 0
    input_px: int = 0
    width: int = 0
    """0: what ``size`` says."""
    export: str = "int8"
    """int8 or float16."""
    name: str = ""
    out: str = ""
    dev_share: float = 0.2
    device: str = "auto"
    consent: bool = False
    """Whether to go on with what takes long."""
    schedule: Schedule = field(default_factory=partial(Schedule, epochs=20, learning_rate=1e-4))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Hold what a student learns from: pictures, and the teacher's vectors of them."""

    teacher: ModelVersion
    pictures: tuple[Subject, ...]
    vectors: Floats
    """(n, dim)."""
    train: Ints
    dev: Ints
    hashes: list[str]
    """Of the pictures that are trained on."""
    data_digest: str
    problems: dict[str, int]
    counts: dict[str, int]
    captions: Captions | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Captions:
    """Hold captioned pictures that no student learns from."""

    pictures: tuple[Subject, ...]
    vectors: Floats
    """(n, dim) of the teacher."""
    words: tuple[str, ...]
    picture_of: Ints
    text_keys: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Hold what a tower comes to, on pictures held out."""

    cosine: float
    """Mean, to the teacher's vectors."""
    neighbours: Recall
    """Of the teacher's nearest pictures, and of its first ten, the share that the tower has too."""
    captions: Recall | None
    """Text to picture, where there are captions."""
    images_per_s: float
    """On one core, without decoding."""
    file_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Student:
    """Hold what was learned."""

    shape: Shape
    weights: dict[str, torch.Tensor]
    """Of the whole model, as they are stored."""
    weights_hash: str
    learned: Figures
    """As it was learned."""
    stored: Figures
    """As it is stored."""
    teacher: Figures
    epochs: list[Epoch]
    best_epoch: int
    first: Recall
    """Of the student before it learned anything."""
    proof_pictures: Any
    proof_texts: tuple[str, ...]
    proof_vectors: Floats

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        return {
            "weights_hash": self.weights_hash,
            "shape": asdict(self.shape),
            "student": asdict(self.stored),
            "before_rounding": asdict(self.learned),
            "teacher": asdict(self.teacher),
            "untrained": asdict(self.first),
            "epochs": [asdict(epoch) for epoch in self.epochs],
            "best_epoch": self.best_epoch,
        }
