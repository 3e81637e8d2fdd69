"""Declare what a person may set on the flow that learns from pairs."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Literal

from pydantic import Field

from crossmodal.runs.options import RunOptions
from crossmodal.training.finetune import FinetuneSpec
from crossmodal.training.head import HeadSpec
from flows.params.base import FlowParams
from flows.params.forms import OnCommandLine, Text


class FinetuneParams(FlowParams):
    """Fit a space to pictures and captions of your own, beside the live one."""

    pairs: Annotated[str, OnCommandLine(argument=True)] = Field(
        title="Pairs",
        description="A table of path and caption (CSV, TSV or JSONL), a log of clicks (query, "
        "shown, clicked), judgements for what was said on the page, or collection for what stands "
        "beside its pictures. The collection has to hold the pictures.",
        min_length=1,
    )
    keep: Text = Field(
        default="",
        title="Keep",
        description="Further pairs that are to be found as well as before: half are learned along "
        "with, half are measured.",
    )
    name: Text = Field(
        default="", title="Name", description="Of the new space. Empty: the model's, and a number."
    )
    sides: Literal["both", "text", "image"] = Field(
        default="both", title="Sides", description="Whose vectors are moved."
    )
    loss: Literal["clip", "siglip"] = Field(
        default="clip", title="Loss", description="CLIP's softmax, or SigLIP's sigmoid."
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
        default=60, title="Epochs", description="Passes over the pairs at most.", ge=1, le=1000
    )
    batch_size: int = Field(
        default=256, title="Batch", description="Pictures a step.", ge=2, le=65536
    )
    learning_rate: float = Field(
        default=0.001, title="Learning rate", description="At its highest.", gt=0.0, le=10.0
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
        sides = ("text", "image") if self.sides == "both" else (self.sides,)
        head = HeadSpec(
            sides=sides,
            loss=self.loss,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            seed=self.seed,
        )
        return FinetuneSpec(
            pairs=self.pairs,
            model=self.model,
            keep=self.keep,
            name=self.name,
            dev_share=self.dev_share,
            max_forgotten=self.max_forgotten,
            device=self.device,
            head=head,
        )
