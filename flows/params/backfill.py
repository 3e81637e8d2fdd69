"""Declare what a person may set on a backfill."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from crossmodal.modalities import MODEL_FIELDS
from crossmodal.sources.options import PartitionBy, PlanRules, Selection
from flows.params.base import EmbedParams, absolute, counted
from flows.params.forms import Day, OnCommandLine, Text


class BackfillParams(EmbedParams):
    """Fill a collection in, partition by partition, from files that are already there.

    Done again it finds nothing to do, stopped it goes on where it was. Another model is built
    beside the live one, which keeps answering. Nothing is ever deleted.
    """

    partition_by: PartitionBy = Field(
        default="prefix",
        title="Partition by",
        description="Do and count the work in parts: by folder, by date of the file (UTC), or as "
        "one.",
    )
    depth: int = Field(
        default=1,
        title="Depth of the prefix",
        description="How many levels of folders below each path make a partition of their own.",
        ge=0,
        le=20,
    )
    since: Day | None = Field(
        default=None, title="Since", description="First day of the file's date (UTC)."
    )
    until: Day | None = Field(
        default=None, title="Until", description="Last day of the file's date (UTC), included."
    )
    listed: Text = Field(
        default="",
        title="List of files",
        description="A text file with a path or URL on each line: only these, as far as they are "
        "below the paths.",
    )
    only_failed: bool = Field(
        default=False,
        title="Only what failed",
        description="Only quarantined files; they are tried again even though unchanged.",
    )
    partitions: Annotated[list[str], OnCommandLine(("--partition",))] = Field(
        default_factory=list,
        title="Only these partitions",
        description="Names as a dry run shows them. Empty: all.",
    )
    workers: Literal["here", "deployments"] = Field(
        default="here",
        title="Where the partitions run",
        description="here: one after the other in this run. deployments: each as a run of the "
        "deployment backfill-partition, on whatever machines serve it.",
    )
    max_parallel: int = Field(
        default=2,
        title="Partitions at once",
        description="How many deployment runs are under way at the same time.",
        ge=1,
        le=100,
    )

    @model_validator(mode="after")
    def _dates_in_order(self) -> Self:
        if self.since and self.until and self.until < self.since:
            raise ValueError(f"{{until}} ({self.until}) is before {{since}} ({self.since})")
        return self

    @property
    def run_name(self) -> str:
        """Return what the Prefect UI calls a run with these values."""
        what = "backfill (dry run)" if self.dry_run else "backfill"
        parts = self.partitions or [f"by {self.partition_by}"]
        return f"{self.collection_name}: {what} {counted(self.paths)}, {', '.join(parts[:3])}"

    def selection(self) -> Selection:
        """Return what the backfill is about."""
        return Selection(
            partition_by=self.partition_by,
            depth=self.depth,
            since=self.since,
            until=self.until,
            listed=self.listed or None,
            only_failed=self.only_failed,
            partitions=tuple(self.partitions),
        )

    def plan_rules(self) -> PlanRules:
        """Return what the plan may do."""
        return PlanRules(retry_failed=self.only_failed, shard_size=self.shard_size)

    def one_partition(self, name: str) -> dict[str, Any]:
        """Return the parameters of the deployment run that does one partition."""
        given = self.model_dump(mode="json", exclude=set(self.left_open))
        changed = {
            "paths": [absolute(path) for path in self.paths],
            "collection": str(Path(self.collection).expanduser().absolute()),
            **{name: absolute(getattr(self, name)) for name in MODEL_FIELDS.values()},
            "listed": absolute(self.listed),
            "partitions": [name],
            "workers": "here",
        }
        if "speech_model" in given:  # else it is the collection's
            changed["speech_model"] = absolute(self.speech_model)
        return given | changed
