"""Declare what a person may set on the flow that publishes a collection."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from crossmodal.errors import PathError
from crossmodal.publishing.address import STORE_PATTERN, parse_address
from crossmodal.publishing.options import PublishOptions
from crossmodal.runs.options import RunOptions
from flows.params.base import CollectionParams
from flows.params.forms import RUNNING, OnCommandLine, Text


def _store(address: str) -> str:
    try:
        return parse_address(address).text if address else ""
    except PathError as error:
        raise ValueError(str(error)) from None


StoreAddress = Annotated[
    Text, AfterValidator(_store), WithJsonSchema({"type": "string", "pattern": STORE_PATTERN})
]


class PublishParams(CollectionParams):
    """Bring a serving store in step with the collection; only what changed is sent."""

    to: StoreAddress = Field(
        default="",
        title="To",
        description="The store: lance:///FOLDER, lance://s3://BUCKET/KEY, "
        "postgresql://USER@HOST/DATABASE or qdrant://HOST:6333; without passwords.",
    )
    models: Annotated[list[str], OnCommandLine(("--model", "-m"))] = Field(
        default_factory=list,
        title="Further models",
        description="Model versions to publish beside those that searches use, such as one that "
        "will be promoted: name, number, label or alias.",
    )
    prune: bool = Field(
        default=False,
        title="Drop what no longer serves",
        description="Drop the tables of model versions that are neither live nor named.",
    )
    full: Annotated[bool, RUNNING] = Field(
        default=False,
        title="Send all",
        description="Send every row again, whatever the store is believed to hold.",
    )

    @property
    def run_name(self) -> str:
        """Return what the Prefect UI calls a run with these values."""
        return f"{self.collection_name}: publish to {self.to.partition('://')[0] or 'nothing'}"

    def run_options(self) -> RunOptions:
        """Return how the run is recorded."""
        return RunOptions()

    def publish_options(self) -> PublishOptions:
        """Return what is published where."""
        return PublishOptions(
            to=self.to, models=tuple(self.models), prune=self.prune, full=self.full
        )
