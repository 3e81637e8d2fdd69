"""Declare what a person may set on the flow that learns from pairs."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import Field

from crossmodal.runs.options import RunOptions
from crossmodal.training.cross_attention import CrossAttentionSpec
from crossmodal.training.head import HeadSpec
from crossmodal.training.spec import FinetuneSpec, TowerSpec
from flows.params.base import FlowParams
from flows.params.forms import OnCommandLine, Text

_RATES = {"head": 0.0, "fusion": 5e-4, "text": 5e-5, "lora": 2e-4, "full": 5e-6, "rerank": 5e-4}
"""Where nobody names one; 0: the depth's own."""
_EPOCHS = {"fusion": 40, "lora": 3}
"""Where nobody names them: of lora so few that 5,000 photos take less than an hour of two cores."""


class FinetuneParams(FlowParams):
    """Fit a model to pictures and captions of your own, beside the live one."""

    pairs: Annotated[str, OnCommandLine(argument=True)] = Field(
        title="Pairs",
        description="A table of path and caption (CSV, TSV or JSONL), a log of clicks (query, "
        "shown, clicked), judgements for what was said on the page, or collection for what stands "
        "beside its pictures. The collection has to hold the pictures.",
        min_length=1,
    )
    depth: Literal["head", "fusion", "text", "lora", "full", "rerank"] = Field(
        default="head",
        title="Depth",
        description="What is learned. head: a linear map on stored vectors, in seconds. fusion: a "
        "network that joins a picture with its passage, in a minute. text: the "
        "text tower, against stored vectors of pictures, in minutes. lora: small matrices beside "
        "the attention of both towers (needs crossmodal[finetune]). full: every weight; says what "
        "it would take before it begins. rerank: a network that orders the base's first hits anew.",
    )
    consent: bool = Field(
        default=False,
        title="Consent",
        description="Begin with depth full, whatever it takes.",
    )
    keep: Text = Field(
        default="",
        title="Keep",
        description="Further pairs that are to be found as well as before: half are learned along "
        "with, half are measured.",
    )
    mine: int = Field(
        default=0,
        title="Hard negatives",
        description="So many pictures a caption that the base's own search finds for it and that "
        "were called otherwise are learned against. 0: none; for depth rerank, 20.",
        ge=0,
        le=1000,
    )
    name: Text = Field(
        default="",
        title="Name",
        description="Of the new space or model. Empty: the base's, and a number.",
    )
    out: Text = Field(
        default="",
        title="Folder",
        description="Where a trained model is written; not for depth head. Empty: beside the "
        "collection, in COLLECTION.models.",
    )
    sides: Literal["both", "text", "image"] = Field(
        default="both", title="Sides", description="Whose vectors a head moves."
    )
    loss: Literal["auto", "clip", "siglip"] = Field(
        default="auto",
        title="Loss",
        description="CLIP's softmax, or SigLIP's sigmoid. auto: what the model was trained with; "
        "for a head, softmax.",
    )
    max_forgotten: float = Field(
        default=0.01,
        title="May be forgotten",
        description="Of recall@1 on what is kept, the most that may be lost.",
        ge=0.0,
        le=1.0,
    )
    dev_share: float = Field(
        default=0.2,
        title="Held out",
        description="Share of the pictures that decide when to stop and how far to go.",
        ge=0.05,
        le=0.5,
    )
    epochs: int = Field(
        default=0,
        title="Epochs",
        description="Passes over the pairs at most. 0: what suits the depth, 3 of lora, from 10 to "
        "60 of others.",
        ge=0,
        le=1000,
    )
    batch_size: int = Field(
        default=0,
        title="Batch",
        description="Pictures a step. 0: what suits the depth, 256 of a head, 32 of towers, 16 of "
        "rerank.",
        ge=0,
        le=65536,
    )
    at_once: int = Field(
        default=0,
        title="At once",
        description="Pictures of a batch that go through the towers together. 0: all. Fewer take "
        "less memory and more time; the loss is that of the whole batch.",
        ge=0,
        le=65536,
    )
    recompute: bool = Field(
        default=False,
        title="Compute layers again",
        description="Gradient checkpointing of towers: less memory, about a third more time.",
    )
    freeze_words: bool = Field(
        default=False,
        title="Leave words as they are",
        description="Token embeddings stay: what captions do not name keeps its place beside what "
        "they name. For few pairs.",
    )
    anchor: float = Field(
        default=0.0,
        title="Anchor",
        description="How strongly texts of what is kept are held where the base has them: the "
        "weight of their cosine distance in the loss of towers; 40 is strong. 0: not at all.",
        ge=0.0,
        le=10000.0,
    )
    learning_rate: float = Field(
        default=0.0,
        title="Learning rate",
        description="At its highest. 0: what suits the depth: head 0.001, fusion 0.0005, "
        "text 0.00005, lora 0.0002, full 0.000005, rerank 0.0005.",
        ge=0.0,
        le=10.0,
    )
    seed: int = Field(
        default=0, title="Seed", description="The same seed gives the same weights.", ge=0
    )
    curves: Text = Field(
        default="", title="Curves", description="Write loss and recall by epoch into this PNG."
    )

    @property
    def run_name(self) -> str:
        """Return what the Prefect UI calls a run with these values."""
        return f"{self.collection_name}: finetune on {PurePath(self.pairs).name}"

    def run_options(self) -> RunOptions:
        """Return how the run is recorded."""
        return RunOptions()

    def spec(self) -> FinetuneSpec:
        """Return what to learn from, and how."""
        given = {
            "epochs": self.epochs or _EPOCHS.get(self.depth, 0),
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate or _RATES[self.depth],
        }
        named: dict[str, Any] = {name: value for name, value in given.items() if value}
        sides = ("text", "image") if self.sides == "both" else (self.sides,)
        nearest = {"top": self.mine} if self.mine else {}
        loss = "clip" if self.loss == "auto" else self.loss
        return FinetuneSpec(
            pairs=self.pairs,
            model=self.model,
            keep=self.keep,
            mine=self.mine,
            name=self.name,
            dev_share=self.dev_share,
            max_forgotten=self.max_forgotten,
            device=self.device,
            depth=self.depth,
            out=self.out,
            consent=self.consent,
            head=HeadSpec(sides=sides, loss=loss, seed=self.seed, **named),
            tower=TowerSpec(
                loss=self.loss,
                seed=self.seed,
                at_once=self.at_once,
                recompute=self.recompute,
                freeze_words=self.freeze_words,
                anchor=self.anchor,
                **named,
            ),
            rerank=CrossAttentionSpec(seed=self.seed, **nearest, **named),
        )
