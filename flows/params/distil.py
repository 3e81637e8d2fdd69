"""Declare what a person may set on the flow that makes a smaller model."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Literal

from pydantic import Field

from crossmodal.runs.options import RunOptions
from crossmodal.training.distil.spec import DistilSpec
from crossmodal.training.epochs import Schedule
from flows.params.base import CollectionParams
from flows.params.forms import OnCommandLine, Text


class DistilParams(CollectionParams):
    """Make a smaller, faster student of an image-text model on pictures of your own."""

    teacher: Annotated[str, OnCommandLine(argument=True)] = Field(
        title="Teacher",
        description="Hub id or directory of an image-text model, or a model version of the "
        "collection, whose stored vectors are then learned from as they are.",
        min_length=1,
    )
    images: Text = Field(
        default="",
        title="Pictures",
        description="A folder of pictures; no captions are needed. Empty: those that the "
        "collection holds vectors of the teacher of.",
    )
    size: Literal["light", "half", "small", "tiny"] = Field(
        default="half",
        title="Size",
        description="Of the student. light: all layers, on pictures of 5/7 of the side. half: half "
        "of the layers, on such pictures. small: half of the layers, patches twice as large. tiny: "
        "a third of the layers, half as wide, such patches.",
    )
    captions: Text = Field(
        default="",
        title="Captions",
        description="Pairs, as finetune takes them, by which teacher and student are compared; "
        "nothing is learned from them, and pictures that are learned from are left out.",
    )
    export: Literal["int8", "float16"] = Field(
        default="int8",
        title="Stored as",
        description="int8: a byte a weight, which crossmodal reads. float16: two, an ordinary "
        "folder of transformers.",
    )
    name: Text = Field(
        default="",
        title="Name",
        description="Of the new model. Empty: the teacher's, its size and a number.",
    )
    out: Text = Field(
        default="",
        title="Folder",
        description="Where the model is written. Empty: beside the collection, in "
        "COLLECTION.models.",
    )
    consent: bool = Field(
        default=False,
        title="Consent",
        description="Begin also where it would take more than an hour.",
    )
    epochs: int = Field(
        default=20,
        title="Epochs",
        description="Passes over the pictures at most; it ends four after the best one.",
        ge=1,
        le=1000,
    )
    layers: int = Field(
        default=0, title="Layers", description="Of the student. 0: as its size says.", ge=0, le=256
    )
    patch: int = Field(
        default=0,
        title="Patch",
        description="Side of a patch in pixels. 0: as its size says.",
        ge=0,
        le=256,
    )
    input_px: int = Field(
        default=0,
        title="Picture",
        description="Side of the pictures in pixels. 0: as its size says.",
        ge=0,
        le=4096,
    )
    width: int = Field(
        default=0,
        title="Width",
        description="Of the student. Another than the teacher's begins at random. 0: as its size "
        "says.",
        ge=0,
        le=16384,
    )
    batch_size: int = Field(
        default=32, title="Batch", description="Pictures a step.", ge=2, le=65536
    )
    learning_rate: float = Field(
        default=1e-4, title="Learning rate", description="At its highest.", gt=0.0, le=10.0
    )
    dev_share: float = Field(
        default=0.2,
        title="Held out",
        description="Share of the pictures that decide when to stop.",
        ge=0.05,
        le=0.5,
    )
    seed: int = Field(
        default=0, title="Seed", description="The same seed gives the same weights.", ge=0
    )
    device: Literal["auto", "cuda", "mps", "cpu"] = Field(
        default="auto",
        title="Device",
        description="Where the models run. auto: CUDA, then Apple's MPS, then the processor.",
    )
    curves: Text = Field(
        default="",
        title="Curves",
        description="Write loss and shared neighbours by epoch into this PNG.",
    )

    @property
    def run_name(self) -> str:
        """Return what the Prefect UI calls a run with these values."""
        return f"{self.collection_name}: distil {PurePath(self.teacher).name}"

    def run_options(self) -> RunOptions:
        """Return how the run is recorded."""
        return RunOptions()

    def spec(self) -> DistilSpec:
        """Return what to learn from, and how."""
        return DistilSpec(
            teacher=self.teacher,
            images=self.images,
            captions=self.captions,
            size=self.size,
            layers=self.layers,
            patch=self.patch,
            input_px=self.input_px,
            width=self.width,
            export=self.export,
            name=self.name,
            out=self.out,
            dev_share=self.dev_share,
            device=self.device,
            consent=self.consent,
            schedule=Schedule(
                epochs=self.epochs,
                batch_size=self.batch_size,
                learning_rate=self.learning_rate,
                seed=self.seed,
            ),
        )
