"""Offer the flows and the ledger's questions on the command line: ``crossmodal ...``.

Thin on purpose: options in, one call, text or JSON out. Everything heavy is imported inside the
command that needs it, so that ``--help`` answers at once. A failure is one sentence on standard
error and exit code 1; a wrong option is exit code 2.
"""

from __future__ import annotations

import atexit
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from flows.invoke import checked, show_outcome
from flows.printing import print_grids, print_json

app = typer.Typer(
    name="crossmodal",
    help="Keep a DuckDB file of embeddings in step with your files, and search it by meaning.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

CollectionOption = Annotated[
    str,
    typer.Option("--collection", "-c", envvar="CROSSMODAL_COLLECTION", help="The DuckDB file."),
]
ModelOption = Annotated[
    str | None,
    typer.Option("--model", "-m", envvar="CROSSMODAL_MODEL", help="Hub id or directory."),
]
DeviceOption = Annotated[str, typer.Option(help="auto, cuda, mps or cpu.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
DEFAULT_COLLECTION = "crossmodal.duckdb"


@app.command()
def index(
    paths: Annotated[list[str], typer.Argument(help="Folders, files, globs or URLs.")],
    collection: CollectionOption = DEFAULT_COLLECTION,
    model: ModelOption = None,
    revision: Annotated[str | None, typer.Option(help="Commit or tag on the hub.")] = None,
    device: DeviceOption = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    dry_run: Annotated[bool, typer.Option(help="Only print the plan.")] = False,
    retry_failed: Annotated[bool, typer.Option(help="Try quarantined files again.")] = False,
    allow_delete: Annotated[bool, typer.Option(help="Delete even if a root vanished.")] = False,
    include_hidden: Annotated[bool, typer.Option(help="Index dotted names too.")] = False,
    min_coverage: Annotated[float, typer.Option(help="Share of files that must succeed.")] = 0.95,
    batch_size: Annotated[int, typer.Option(help="Images in one forward pass.")] = 32,
    shard_size: Annotated[int, typer.Option(help="Files committed in one transaction.")] = 512,
    max_megapixels: Annotated[float, typer.Option(help="Larger images are refused.")] = 89.5,
    max_file_mb: Annotated[int, typer.Option(help="Larger files are refused.")] = 512,
    as_json: JsonOption = False,
) -> None:
    """Bring the collection in step with PATHS; only what changed is embedded."""
    given = {k: v for k, v in locals().items() if k != "as_json"}
    from flows.parameters import IndexParams

    params = checked(IndexParams, given)
    from flows.index import index as index_flow

    show_outcome(index_flow(params, return_state=True), as_json=as_json)


@app.command()
def backfill(
    paths: Annotated[list[str], typer.Argument(help="Folders, files, globs or URLs.")],
    collection: CollectionOption = DEFAULT_COLLECTION,
    partition_by: Annotated[str, typer.Option(help="prefix, day, month, year or none.")] = "prefix",
    depth: Annotated[int, typer.Option(help="Levels of folders that make a prefix.")] = 1,
    since: Annotated[str | None, typer.Option(help="First day of the file's date (UTC).")] = None,
    until: Annotated[str | None, typer.Option(help="Last day, included.")] = None,
    listed: Annotated[str | None, typer.Option(help="File with a path or URL a line.")] = None,
    only_failed: Annotated[bool, typer.Option(help="Only quarantined files.")] = False,
    partition: Annotated[
        list[str] | None, typer.Option(help="Only this one, as the dry run names it; repeatable.")
    ] = None,
    model: ModelOption = None,
    revision: Annotated[str | None, typer.Option(help="Commit or tag on the hub.")] = None,
    device: DeviceOption = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    dry_run: Annotated[
        bool, typer.Option(help="Only print what is due, and for how long.")
    ] = False,
    include_hidden: Annotated[bool, typer.Option(help="Index dotted names too.")] = False,
    min_coverage: Annotated[float, typer.Option(help="Share of files that must succeed.")] = 0.95,
    batch_size: Annotated[int, typer.Option(help="Images in one forward pass.")] = 32,
    shard_size: Annotated[int, typer.Option(help="Files committed in one transaction.")] = 512,
    max_megapixels: Annotated[float, typer.Option(help="Larger images are refused.")] = 89.5,
    max_file_mb: Annotated[int, typer.Option(help="Larger files are refused.")] = 512,
    workers: Annotated[str, typer.Option(help="here, or deployments.")] = "here",
    max_parallel: Annotated[int, typer.Option(help="Deployment runs at the same time.")] = 2,
    as_json: JsonOption = False,
) -> None:
    """Fill the collection in from PATHS, partition by partition; nothing is deleted."""
    given = {k: v for k, v in locals().items() if k not in ("as_json", "partition")}
    from flows.backfill_parameters import BackfillParams

    params = checked(BackfillParams, given | {"partitions": partition or []})
    from flows.backfill import backfill as backfill_flow

    show_outcome(backfill_flow(params, return_state=True), as_json=as_json)


@app.command()
def backfills(
    backfill_id: Annotated[
        str | None, typer.Argument(help="Show the partitions of this one.")
    ] = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """List the backfills, or the partitions of one: planned, done, failed, vectors, time."""
    from tasks.storage import backfills as ledger
    from tasks.storage.backfill_tables import backfills_grid, partitions_grid
    from tasks.storage.collection import Collection

    with Collection(collection).read() as con:
        if backfill_id:
            backfill_id = ledger.find(con, backfill_id).backfill_id
            partitions = ledger.partitions(con, backfill_id)
        else:
            found = ledger.all_backfills(con)
    if as_json:
        print_json(partitions if backfill_id else found)
        return
    print_grids(
        [partitions_grid(backfill_id, partitions) if backfill_id else backfills_grid(found)]
    )


@app.command()
def search(
    texts: Annotated[list[str] | None, typer.Argument(help="What to look for.")] = None,
    image: Annotated[list[str] | None, typer.Option(help="A picture to look for its like.")] = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    k: Annotated[int, typer.Option("--k", "-k", min=1, max=1000, help="Hits a query.")] = 10,
    offset: Annotated[int, typer.Option(min=0, help="Hits to leave out first.")] = 0,
    where: Annotated[
        list[str] | None,
        typer.Option(help="path=*.jpg, type=image/png, date>=2024-01-31, size>100kB; repeatable."),
    ] = None,
    contact_sheet: Annotated[Path | None, typer.Option(help="Write a PNG of the hits.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Find what TEXTS or pictures mean."""
    from tasks.retrieval.options import QueryOptions
    from tasks.retrieval.query import answer

    options = QueryOptions(
        collection=collection, model=model, device=device, k=k, offset=offset, where=where or []
    )
    answers = answer(options, texts or [], image or [])
    if contact_sheet:
        from tasks.retrieval.contact_sheet import QueryRow
        from tasks.retrieval.contact_sheet import contact_sheet as write_sheet

        write_sheet([QueryRow(a.query, a.hits) for a in answers], contact_sheet)
    if as_json:
        print_json([a.to_dict() for a in answers])
        return
    print_grids([a.to_grid() for a in answers])
    if contact_sheet:
        typer.echo(f"contact sheet: {contact_sheet}")


@app.command()
def status(collection: CollectionOption = DEFAULT_COLLECTION, as_json: JsonOption = False) -> None:
    """Say what the collection holds, by model version, and how the last runs went."""
    from flows.tables import status_grids
    from tasks.storage.collection import Collection
    from tasks.storage.status import status as read_status

    opened = Collection(collection)
    with opened.read() as con:
        found = read_status(con, opened)
    if as_json:
        print_json(found)
        return
    print_grids(status_grids(found))


@app.command()
def quarantine(
    collection: CollectionOption = DEFAULT_COLLECTION,
    reason: Annotated[str | None, typer.Option(help="Only this reason.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows at most.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """List what was refused, at which stage and why."""
    from flows.tables import quarantine_grid
    from tasks.storage.collection import Collection
    from tasks.storage.status import quarantine_rows

    with Collection(collection).read() as con:
        rows = quarantine_rows(con, limit, reason)
    if as_json:
        print_json(rows)
        return
    print_grids([quarantine_grid(rows)])


@app.command()
def profile(
    run: Annotated[str | None, typer.Argument(help="Run id; default: last.")] = None,
    against: Annotated[str | None, typer.Option(help="Run to compare with.")] = None,
    trace: Annotated[Path | None, typer.Option(help="Write a trace that Perfetto opens.")] = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Show where a run's time went, what bounds it, and how an earlier run compares."""
    from flows.profiles import load_profile
    from tasks.profiling.trace import write_trace

    shown = load_profile(collection, run, against)
    if trace:
        write_trace(shown.spans, trace)
    if as_json:
        print_json(shown.to_dict())
        return
    print_grids(shown.to_grids())
    typer.echo(shown.verdict)
    if trace:
        typer.echo(f"trace: {trace} (open it at https://ui.perfetto.dev)")


def main() -> None:
    """Run the command line; turn every expected error into one sentence and exit code 1."""
    from tasks.errors import CrossmodalError

    _quieten()
    atexit.register(_mute)  # registered first, so it runs after everybody else's farewell
    try:
        app()
    except CrossmodalError as error:
        typer.echo(f"crossmodal: {error}", err=True)
        sys.exit(1)


def _quieten() -> None:
    """Keep third parties from phoning home or talking over the report; the user's settings win."""
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("DAFT_PROGRESS_BAR", "0")


def _mute() -> None:
    """Drop what DuckDB's binding says when Python ends while Prefect still refers to it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
