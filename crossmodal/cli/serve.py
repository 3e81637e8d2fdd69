"""Offer the commands that need a Prefect server: ``deploy`` and ``serve``.

Thin like the others; everything heavy is imported inside the command that needs it.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossmodal.cli.drawn import form_command
from crossmodal.cli.invoke import checked
from crossmodal.cli.options import JsonOption
from crossmodal.cli.printing import print_json, print_tables
from crossmodal.modalities import MODEL_FIELDS

if TYPE_CHECKING:
    from deployments.target import Target

DEFAULT_POOL = "crossmodal"


class PoolKind(StrEnum):
    """Name what a worker starts for a run."""

    process = "process"
    docker = "docker"
    kubernetes = "kubernetes"


NameOption = Annotated[
    str | None,
    typer.Option(help="Name of the deployments; by default the collection's file name."),
]
AlertOption = Annotated[
    str | None,
    typer.Option(
        envvar="CROSSMODAL_ALERT",
        show_envvar=True,
        help="Whom to tell when runs fail, are lost or late, or none succeeds for a day: a URL to "
        "post to, or BLOCKTYPE/NAME of a notification block of Prefect's.",
    ),
]
ScheduleOption = Annotated[
    str | None,
    typer.Option(help="When to index, as cron says it, UTC; by default every night: '0 3 * * *'."),
]
PublishOption = Annotated[
    str | None,
    typer.Option(
        help="A store to keep in step every night after the index, as `publish --to` names it."
    ),
]
_of_the_files = form_command(
    "flows.params.base:IndexParams",
    only=("paths", "collection", *MODEL_FIELDS.values()),
)


@_of_the_files
def deploy(
    given: dict[str, Any],
    name: NameOption = None,
    alert: AlertOption = None,
    pool: Annotated[str, typer.Option(help="Work pool; created where missing.")] = DEFAULT_POOL,
    pool_type: Annotated[
        PoolKind, typer.Option(help="What a worker of a new pool starts for each run.")
    ] = PoolKind.process,
    pool_limit: Annotated[
        int | None, typer.Option(min=1, help="Most runs of the pool at one time.")
    ] = None,
    schedule: ScheduleOption = None,
    publish_to: PublishOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Put the flows, schedules and automations for PATHS on the configured Prefect server."""
    from crossmodal.views.text_table import TextTable
    from deployments.deploy import deploy as deploy_target

    target = _target(given, name, pool, schedule, publish_to)
    target = replace(target, pool_type=pool_type.value, pool_limit=pool_limit)
    changes = deploy_target(target, alert, dry_run=dry_run)
    if as_json:
        print_json(changes)
        return
    rows = [(change.kind, change.name, change.action, change.does) for change in changes]
    title = "would be on the Prefect server" if dry_run else "on the Prefect server"
    print_tables([TextTable(title, ("", "name", "", "does"), rows, num_words=4)])
    if not dry_run:
        typer.echo(f"start a worker where the files are: prefect worker start --pool {pool}")


@_of_the_files
def serve(
    given: dict[str, Any],
    name: NameOption = None,
    alert: AlertOption = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the Prefect UI.")] = 4200,
    schedule: ScheduleOption = None,
    publish_to: PublishOption = None,
) -> None:
    """Run the Prefect UI, the schedules and the flows for PATHS on this machine until Ctrl-C."""
    from deployments.serve import serve as serve_target

    serve_target(_target(given, name, DEFAULT_POOL, schedule, publish_to), port, alert, typer.echo)


def _target(
    given: dict[str, Any],
    name: str | None,
    pool: str,
    schedule: str | None,
    publish_to: str | None,
) -> Target:
    from crossmodal.publishing.address import parse_address
    from deployments.target import make_target
    from flows.params.base import IndexParams

    chosen = checked(IndexParams, given)
    return make_target(
        chosen.paths,
        chosen.collection,
        chosen.model or None,
        name,
        pool,
        text_model=chosen.text_model or None,
        audio_model=chosen.audio_model or None,
        schedule=schedule,
        publish_to=parse_address(publish_to).text if publish_to else None,
    )
