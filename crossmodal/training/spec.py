"""Say what is asked of a training, what it is given and what comes of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from crossmodal.records import ModelVersion
from crossmodal.training.cross_attention import CrossAttentionSpec
from crossmodal.training.epochs import Epoch, Schedule
from crossmodal.training.head import HeadSpec
from crossmodal.training.material import Material
from crossmodal.training.sweep import Swept
from crossmodal.vectors.affine import Floats, Maps

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class TowerSpec(Schedule):
    """Say how to learn."""

    loss: str = "auto"
    """clip, siglip, or auto: what the model was trained with."""
    num_hard: int = 8
    """Hard negatives of a text that one step draws."""
    at_once: int = 0
    """Pictures that go through the towers together; 0: the whole batch. The loss is the same."""
    recompute: bool = False
    """Whether layers are computed again on the way back, which takes less memory, more time."""
    freeze_words: bool = False
    """Whether the text tower's token embeddings stay as they are."""
    anchor: float = 0.0
    """Weight of the cosine distance of texts of ``keep`` from where the base has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneSpec:
    """Say what to learn from, and how."""

    pairs: str
    model: str = ""
    """The version to begin with; empty for the live joint one."""
    keep: str = ""
    """Pairs that are to stay as well found: half are learned along with, half are measured."""
    name: str = ""
    dev_share: float = 0.2
    max_forgotten: float = 0.01
    """Of R@1 on the measured half of ``keep``, what a step of the sweep may lose."""
    mine: int = 0
    """Hard negatives of each text that the base's own search is asked for."""
    device: str = "auto"
    depth: str = "head"
    """head, fusion, text, lora, full or rerank."""
    out: str = ""
    """Where the model's folder is written; empty for beside the collection. Not for ``head``."""
    consent: bool = False
    """Whether to go on with what takes long."""
    head: HeadSpec = field(default_factory=HeadSpec)
    tower: TowerSpec = field(default_factory=TowerSpec)
    rerank: CrossAttentionSpec = field(default_factory=CrossAttentionSpec)

    @property
    def seed(self) -> int:
        """Return the seed of the split and of the draw."""
        return self._how.seed

    @property
    def num_epochs(self) -> int:
        """Return how many epochs there are at most."""
        return self._how.epochs

    @property
    def _how(self) -> Schedule:
        if self.on_vectors:
            return self.head
        return self.rerank if self.depth == "rerank" else self.tower

    @property
    def on_vectors(self) -> bool:
        """Say whether stored vectors are learned from, and a space comes of it."""
        return self.depth in ("head", "fusion")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Hold all that a training needs; no model and no connection any more."""

    parent: ModelVersion
    train: Material
    dev: Material
    keep: Material | None
    picture_hashes: list[str]
    text_hashes: list[str]
    data_digest: str
    problems: dict[str, int]
    counts: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """Hold what was learned."""

    maps: Maps
    """Of ``head``; empty for other depths."""
    weights_hash: str
    share: float
    """How far from the base the sweep went."""
    base: Swept
    best: Swept
    steps: list[Swept]
    epochs: list[Epoch]
    best_epoch: int
    weights: dict[str, torch.Tensor] = field(default_factory=dict)
    """What a model's folder has other than its base; empty for ``head``."""
    probes: Floats | None = None
    """The generic questions as the text tower reads them by now."""
    proof_texts: tuple[str, ...] = ()
    """A few captions, and the vectors that the written model has to give for them."""
    proof_vectors: Floats | None = None

    sees_otherwise: bool = False
    """Whether the image tower was changed too, so that stored vectors tell nothing of it."""

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        return {
            "weights_hash": self.weights_hash,
            "share": self.share,
            "base": self.base.to_dict(),
            "best": self.best.to_dict(),
            "steps": [step.to_dict() for step in self.steps],
            "epochs": [asdict(epoch) for epoch in self.epochs],
            "best_epoch": self.best_epoch,
        }
