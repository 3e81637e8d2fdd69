"""Declare what a person may set on the flow that recommends."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from crossmodal.modalities import Modality
from crossmodal.recommendation.options import RecommendOptions
from flows.params.base import FlowParams
from flows.params.forms import Condition, OnCommandLine, Text


class RecommendParams(FlowParams):
    """Find what somebody with these likes and dislikes would like."""

    likes: Annotated[list[str], OnCommandLine(("--like",))] = Field(
        default_factory=list,
        title="Likes",
        description="Chunk ids, indexed paths, pictures or texts. Without any: a varied sample.",
    )
    dislikes: Annotated[list[str], OnCommandLine(("--dislike",))] = Field(
        default_factory=list,
        title="Dislikes",
        description="What the answer should keep away from; named like the likes.",
    )
    profile: Text = Field(
        default="",
        title="Profile",
        description="Name of stored likes and dislikes that come before those given here.",
    )
    save: Text = Field(
        default="",
        title="Save as",
        description="Name to store all of these likes and dislikes under.",
    )
    k: Annotated[int, OnCommandLine(("--k", "-k"))] = Field(
        default=10, title="How many", description="Chunks to find.", ge=1, le=1000
    )
    where: list[Condition] = Field(
        default_factory=list,
        title="Filters",
        description="Conditions that all must hold, such as path=*.jpg or date>=2024-01-31.",
    )
    modalities: Annotated[list[Modality], OnCommandLine(("--modality",))] = Field(
        default_factory=list,
        title="Modalities",
        description="Only pictures, only words or only sounds. Empty: all.",
    )
    strategy: Literal["spread", "best", "sum", "average"] = Field(
        default="spread",
        title="Strategy",
        description="spread: near to what lies around the likes. best: near to any like. sum: near "
        "to all. average: near to their middle.",
    )
    diversity: float = Field(
        default=0.0,
        title="Diversity",
        description="From 0, only what fits best, to 1, only what differs.",
        ge=0,
        le=1,
    )
    colours: float | None = Field(
        default=None,
        title="Colours",
        description="How much the colours of pictures count, from 0, not at all; with spread. "
        "Empty: whole where three likes and three dislikes say that they are meant.",
        ge=0,
        le=1,
    )
    session: bool = Field(
        default=False,
        title="In the order of time",
        description="Each like counts half of the one after it.",
    )

    @property
    def run_name(self) -> str:
        """Return what the Prefect UI calls a run with these values."""
        return f"{self.collection_name}: recommend {self.profile or ', '.join(self.likes[:3])}"

    def recommend_options(self) -> RecommendOptions:
        """Return what is liked and disliked, and what may come back."""
        return RecommendOptions(
            collection=self.collection,
            likes=self.likes,
            dislikes=self.dislikes,
            strategy=self.strategy,
            diversity=self.diversity,
            colours=self.colours,
            session=self.session,
            profile=self.profile or None,
            save=self.save or None,
            k=self.k,
            where=self.where,
            modalities=tuple(self.modalities),
            model=self.model or None,
            device=self.device,
        )
