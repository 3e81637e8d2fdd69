"""Declare what a person may set on the flows that ask a collection or switch what answers."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, JsonValue, model_validator

from crossmodal.modalities import MODEL_FIELDS, Modality
from crossmodal.search.options import MAX_POOL, QueryOptions
from flows.params.base import CollectionParams, FlowParams
from flows.params.forms import Condition, OnCommandLine, OptionalPlace, Text


def _given(name: str) -> JsonValue:
    return {"required": [name], "properties": {name: {"minLength": 1}}}


# Not as a list of cases: a deployment itself need not hold what is required, and Prefect leaves
# that out only where it is no list.
_TEXT_OR_IMAGE: dict[str, JsonValue] = {
    "if": _given("text"),
    "then": {"properties": {"image": {"maxLength": 0}}},
    "else": _given("image"),
}


class SearchParams(FlowParams):
    """Answer a query with the images, passages, moments and sounds that mean it."""

    model_config = ConfigDict(json_schema_extra=_TEXT_OR_IMAGE)

    text: Text = Field(
        default="",
        title="Text",
        description='What to look for, such as "a red sports car".',
    )
    image: OptionalPlace = Field(
        default="",
        title="Image",
        description="Path or URL of a picture to look for its like. Either text or image.",
    )
    k: Annotated[int, OnCommandLine(("--k", "-k"))] = Field(
        default=10, title="Hits", description="How many hits.", ge=1, le=1000
    )
    offset: int = Field(default=0, title="Offset", description="Hits to leave out first.", ge=0)
    where: list[Condition] = Field(
        default_factory=list,
        title="Filters",
        description="Conditions that all must hold, such as path=*.jpg, type=image/png, "
        "date>=2024-01-31, size>100kB, page=3, language=de, duration>1:30, width>=1000, "
        "taken>=2023-07, hidden=any for what moderation hides too, or a column of a table or of "
        "your own CSV: year>=2010, label=red.",
    )

    modalities: Annotated[list[Modality], OnCommandLine(("--modality",))] = Field(
        default_factory=list,
        title="Modalities",
        description="Only pictures, only words or only sounds. Empty: all.",
    )
    group: bool = Field(
        default=True,
        title="One hit a source",
        description="Only the best chunk of each file, so that a long document does not fill the "
        "answer.",
    )
    expand: int = Field(
        default=0,
        title="Context",
        description="Show so many chunks before and after each hit.",
        ge=0,
        le=20,
    )
    min_strength: Literal["weak", "likely", "strong"] = Field(
        default="weak",
        title="Least strength",
        description="Hide hits that are weaker than this. Weak hides none.",
    )
    mode: Literal["hybrid", "vector", "words"] = Field(
        default="hybrid",
        title="Mode",
        description="Meaning and words together, only meaning, or only words. What stands in "
        "quotes is looked for as it is.",
    )

    rerank: Text = Field(
        default="",
        title="Reranker",
        description="Directory or hub id of a model that orders the first 50 hits anew. Empty: "
        "what the collection remembers; off: none.",
    )
    rerank_deadline_ms: int = Field(
        default=10_000,
        title="Reranker's deadline (ms)",
        description="If it takes longer the hits stay as they are, and the answer says so. 0: "
        "no deadline.",
        ge=0,
        le=3_600_000,
    )
    rerank_pool: int = Field(
        default=1,
        title="Reranker's token pooling",
        description="A named multi-vector reranker joins about so many of a hit's token vectors to "
        "one. 1: none.",
        ge=1,
        le=MAX_POOL,
    )

    neighbours: float = Field(
        default=0.0,
        title="Neighbours",
        description="Pictures of documents are also found by the passages that they stand in: how "
        "much of a passage's merit they get, such as 0.5. 0: only by themselves.",
        ge=0.0,
        le=1.0,
    )

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        if bool(self.text) == bool(self.image):
            raise ValueError("give either a text or an image to look for")
        return self

    @property
    def run_name(self) -> str:
        """Return what the Prefect UI calls a run with these values."""
        return f"{self.collection_name}: search {self.text or PurePath(self.image).name}"

    def query_options(self) -> QueryOptions:
        """Return where and how to search."""
        return QueryOptions(
            collection=self.collection,
            model=self.model or None,
            device=self.device,
            k=self.k,
            offset=self.offset,
            where=self.where,
            modalities=tuple(self.modalities),
            group=self.group,
            expand=self.expand,
            min_strength=self.min_strength,
            mode=self.mode,
            rerank=self.rerank,
            rerank_deadline_ms=self.rerank_deadline_ms,
            rerank_pool=self.rerank_pool,
            neighbours=self.neighbours,
            trial=True,
        )


class AskParams(FlowParams):
    """Answer a question by sentences, rows and moments, each cited to its place."""

    text: Annotated[Text, OnCommandLine(argument=True)] = Field(
        title="Question",
        description='What to answer, such as "why did customer 17 call?".',
        min_length=1,
    )
    k: Annotated[int, OnCommandLine(("--k", "-k"))] = Field(
        default=5, title="Sources", description="How many sources at most.", ge=1, le=100
    )
    where: list[Condition] = Field(
        default_factory=list,
        title="Filters",
        description="Conditions that all must hold, as for a search: path=*.pdf, date>=2024-01-31.",
    )
    modalities: Annotated[list[Modality], OnCommandLine(("--modality",))] = Field(
        default_factory=list,
        title="Modalities",
        description="Only pictures, only words or only sounds. Empty: all.",
    )
    min_strength: Literal["weak", "likely", "strong"] = Field(
        default="weak",
        title="Least strength",
        description="Leave out what is weaker than this. Weak leaves out nothing.",
    )
    rerank: Text = Field(
        default="",
        title="Reranker",
        description="Directory or hub id of a model that orders what is found anew. Empty: what "
        "the collection remembers; off: none.",
    )

    @property
    def run_name(self) -> str:
        """Return what the Prefect UI calls a run with these values."""
        return f"{self.collection_name}: ask {self.text}"

    def query_options(self) -> QueryOptions:
        """Return where and how to look."""
        return QueryOptions(
            collection=self.collection,
            model=self.model or None,
            device=self.device,
            k=self.k,
            where=self.where,
            modalities=tuple(self.modalities),
            min_strength=self.min_strength,
            rerank=self.rerank,
            trial=True,
        )


class PromoteParams(CollectionParams):
    """Let searches use model versions that were built beside the live ones."""

    model: Annotated[Text, OnCommandLine(argument=True)] = Field(
        default="",
        title="Model",
        description="Name, number or label of the image-text model version to make live.",
    )
    text_model: Text = Field(
        default="",
        title="Model for passages",
        description="Name, number or label of the version to make live for passages.",
    )
    audio_model: Text = Field(
        default="",
        title="Model for sounds",
        description="Name, number or label of the version to make live for sounds.",
    )
    allow_partial: bool = Field(
        default=False,
        title="Allow less",
        description="Make a version live although it holds clearly less than its predecessor.",
    )
    gate: Text = Field(
        default="",
        title="Gate",
        description="An evaluation set: only promote what it shows to be no worse than the live "
        "version, by a point of recall@10 at most.",
    )
    why: Text = Field(default="", title="Why", description="What the log says of the change.")
    ask: bool = Field(
        default=False,
        title="Ask a person",
        description="Show the figures and wait on the run's page until somebody decides.",
    )
    patience_h: float = Field(
        default=24.0,
        title="Patience (hours)",
        description="How long to wait for the decision; after it the run ends Failed and nothing "
        "has changed.",
        gt=0,
        le=24 * 14,
    )

    @model_validator(mode="after")
    def _something_named(self) -> Self:
        if not self.named:
            raise ValueError("name at least one model version to make live")
        return self

    @property
    def named(self) -> dict[str, str]:
        """Return what is to serve which modality."""
        given = {modality: getattr(self, name) for modality, name in MODEL_FIELDS.items()}
        return {modality: spec for modality, spec in given.items() if spec}

    @property
    def run_name(self) -> str:
        """Return what the Prefect UI calls a run with these values."""
        return f"{self.collection_name}: promote {', '.join(self.named.values())}"


class StatusParams(CollectionParams):
    """Say what a collection holds and how its last runs went."""

    @property
    def run_name(self) -> str:
        """Return what the Prefect UI calls a run with these values."""
        return f"{self.collection_name}: status"
