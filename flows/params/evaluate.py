"""Declare what a person may set on an evaluation."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Literal

from pydantic import Field

from crossmodal.evaluation.evaluate import EvaluateSpec
from crossmodal.evaluation.judge import JudgeSpec
from crossmodal.search.options import MAX_POOL, QueryOptions
from flows.params.base import FlowParams
from flows.params.forms import Condition, OnCommandLine, Text


class EvaluateParams(FlowParams):
    """Say how well the live line-up, or one model version, answers a set of judged queries."""

    set_path: Annotated[str, OnCommandLine(argument=True)] = Field(
        title="Evaluation set",
        description="A table of path and caption (CSV, TSV, JSONL), a BEIR or TREC folder, or "
        "folders whose names are labels.",
        min_length=1,
    )
    root: Text = Field(
        default="",
        title="Root of the set's paths",
        description="Where relative paths begin. Empty: beside the set, or up to three folders up.",
    )
    against: Text = Field(
        default="",
        title="Against",
        description="Compare with this model version, with live, or with an evaluation's id.",
    )
    gates: Annotated[list[str], OnCommandLine(("--gate",))] = Field(
        default_factory=list,
        title="Gates",
        description="The run ends Failed unless each holds, such as text->image recall@10 >= "
        "-0.01.",
    )
    where: list[Condition] = Field(
        default_factory=list,
        title="Filters",
        description="Look only among sources that meet these conditions, such as path=*.jpg.",
    )
    pairs: Annotated[list[str], OnCommandLine(("--pair",))] = Field(
        default_factory=list,
        title="Pairs",
        description="Only these, such as text->image. Empty: all that the set can judge.",
    )
    depth: int = Field(
        default=100,
        title="Depth",
        description="How many hits of each query are looked at.",
        ge=10,
        le=1000,
    )
    mode: Literal["hybrid", "vector", "words"] = Field(
        default="hybrid",
        title="Mode",
        description="How texts are searched for: meaning and words, only meaning, only words.",
    )
    rerank: Text = Field(
        default="",
        title="Reranker",
        description="Directory or hub id of a model that orders the first 50 hits anew. Empty: "
        "what the collection remembers; off: none.",
    )
    rerank_pool: int = Field(
        default=1,
        title="Reranker's token pooling",
        description="A named multi-vector reranker joins about so many of a hit's token vectors to "
        "one. 1: none.",
        ge=1,
        le=MAX_POOL,
    )
    allow_overlap: bool = Field(
        default=False,
        title="Allow overlap",
        description="Evaluate although the model was trained on parts of the set; marks it.",
    )
    seed: int = Field(
        default=0, title="Seed", description="Of the draws behind the intervals.", ge=0
    )

    @property
    def run_name(self) -> str:
        """Return what the Prefect UI calls a run with these values."""
        return f"{self.collection_name}: evaluate {PurePath(self.set_path).name}"

    def spec(self) -> JudgeSpec:
        """Return what to evaluate, against what, and what has to hold."""
        query = QueryOptions(
            collection=self.collection,
            model=self.model or None,
            device=self.device,
            k=self.depth,
            mode=self.mode,
            where=self.where,
            rerank=self.rerank,
            rerank_deadline_ms=0,
            rerank_pool=self.rerank_pool,
        )
        given = EvaluateSpec(
            set_path=self.set_path,
            query=query,
            root=self.root,
            pairs=tuple(self.pairs),
            allow_overlap=self.allow_overlap,
            seed=self.seed,
        )
        return JudgeSpec(evaluate=given, against=self.against, gates=tuple(self.gates))
