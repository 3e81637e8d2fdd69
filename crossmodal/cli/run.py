"""Offer the flows that write on the command line: ``index``, ``backfill`` and ``promote``.

Options in, one flow, its report out. Everything heavy is imported inside the command.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer

from crossmodal.cli.invoke import checked, run_flow
from crossmodal.cli.options import DEFAULT_COLLECTION, CollectionOption, EmbedChoices, JsonOption
from crossmodal.cli.spread import spread


@dataclass(frozen=True, kw_only=True)
class IndexChoices(EmbedChoices):
    """Say what ``index`` alone may do."""

    retry_failed: Annotated[bool, typer.Option(help="Try quarantined files again.")] = False
    allow_delete: Annotated[bool, typer.Option(help="Delete even if a root vanished.")] = False


@dataclass(frozen=True, kw_only=True)
class BackfillChoices(EmbedChoices):
    """Say which part of the files a backfill is about, and who does it."""

    partition_by: Annotated[str, typer.Option(help="prefix, day, month, year or none.")] = "prefix"
    depth: Annotated[int, typer.Option(help="Levels of folders that make a prefix.")] = 1
    since: Annotated[str | None, typer.Option(help="First day of the file's date (UTC).")] = None
    until: Annotated[str | None, typer.Option(help="Last day, included.")] = None
    listed: Annotated[str | None, typer.Option(help="File with a path or URL a line.")] = None
    only_failed: Annotated[bool, typer.Option(help="Only quarantined files.")] = False
    partitions: Annotated[
        list[str] | None,
        typer.Option("--partition", help="Only this one, as the dry run names it; repeatable."),
    ] = None
    workers: Annotated[str, typer.Option(help="here, or deployments.")] = "here"
    max_parallel: Annotated[int, typer.Option(help="Deployment runs at the same time.")] = 2


@spread
def index(chosen: IndexChoices, as_json: JsonOption = False) -> None:
    """Bring the collection in step with PATHS; only what changed is embedded."""
    from flows.params.base import IndexParams

    params = checked(IndexParams, asdict(chosen))
    run_flow(_index_flow, params, as_json=as_json)


@spread
def backfill(chosen: BackfillChoices, as_json: JsonOption = False) -> None:
    """Fill the collection in from PATHS, partition by partition; nothing is deleted."""
    from flows.params.backfill import BackfillParams

    given = asdict(chosen) | {"partitions": chosen.partitions or []}
    params = checked(BackfillParams, given)
    run_flow(_backfill_flow, params, as_json=as_json)


def promote(
    model: Annotated[str | None, typer.Argument(help="Version of the image-text model.")] = None,
    text_model: Annotated[str | None, typer.Option(help="Version for passages.")] = None,
    audio_model: Annotated[str | None, typer.Option(help="Version for sounds.")] = None,
    allow_partial: Annotated[bool, typer.Option(help="Even if it holds clearly less.")] = False,
    gate: Annotated[
        str | None, typer.Option(help="Only if this set shows it to be no worse than the live one.")
    ] = None,
    why: Annotated[str | None, typer.Option(help="For the log.")] = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Let searches use model versions that were built beside the live ones."""
    given = {k: v for k, v in locals().items() if k != "as_json"}
    from flows.params.asking import PromoteParams

    params = checked(PromoteParams, given)
    from crossmodal.cli.models import show_change
    from crossmodal.ledger.collection import Collection
    from crossmodal.models.promotion import promote_in

    if params.gate:
        from crossmodal.evaluation.judge import refuse_worse

        refuse_worse(collection, params.named, params.gate)
    opened, partial = Collection(collection), params.allow_partial
    change = promote_in(opened, params.named, allow_partial=partial, why=params.why)
    show_change(change, as_json=as_json)


def _index_flow() -> Any:
    from flows.index import index as flow

    return flow


def _backfill_flow() -> Any:
    from flows.backfill import backfill as flow

    return flow
