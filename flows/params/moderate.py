"""Declare what a person may set on the flow that moderates a collection."""

from __future__ import annotations

from pathlib import PurePath
from typing import Literal

from pydantic import Field

from crossmodal.runs.options import RunOptions
from flows.params.base import CollectionParams
from flows.params.forms import Text


class ModerateParams(CollectionParams):
    """Find what violates the policies of a folder, for people to decide."""

    policies: str = Field(
        default="policies",
        title="Policies",
        description="A folder with a folder for each policy: policy.md and, beside it, "
        "examples.csv.",
        min_length=1,
    )
    device: Literal["auto", "cuda", "mps", "cpu"] = Field(
        default="auto",
        title="Device",
        description="Where the model runs that reads the policies. auto: CUDA, then Apple's MPS, "
        "then the processor.",
    )

    judge: Text = Field(
        default="",
        title="Judge",
        description="Directory or hub id of a ShieldGemma 2 that also looks at the pictures found; "
        "its view stands beside the evidence and decides nothing. Empty: none.",
    )

    @property
    def run_name(self) -> str:
        """Return what the Prefect UI calls a run with these values."""
        return f"{self.collection_name}: moderate by {PurePath(self.policies).name}"

    def run_options(self) -> RunOptions:
        """Return how the run is recorded."""
        return RunOptions()
