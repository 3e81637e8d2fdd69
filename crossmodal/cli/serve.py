"""Offer the commands that need a Prefect server: ``deploy`` and ``serve``.

Thin like the others; everything heavy is imported inside the command that needs it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from crossmodal.cli.options import JsonOption, SourceChoices
from crossmodal.cli.printing import print_grids, print_json
from crossmodal.cli.spread import spread

if TYPE_CHECKING:
    from deployments.target import Target

DEFAULT_POOL = "crossmodal"


@dataclass(frozen=True, kw_only=True)
class TargetChoices(SourceChoices):
    """Say what is deployed, under which name, and whom to tell of failures."""

    name: Annotated[
        str | None,
        typer.Option(help="Name of the deployments; by default the collection's file name."),
    ] = None
    alert: Annotated[
        str | None, typer.Option(help="URL to post to when a run fails or is lost.")
    ] = None


@spread
def deploy(
    chosen: TargetChoices,
    pool: Annotated[str, typer.Option(help="Work pool; created where missing.")] = DEFAULT_POOL,
    as_json: JsonOption = False,
) -> None:
    """Put the flows, schedules and automations for PATHS on the configured Prefect server."""
    from crossmodal.views.grid import Grid
    from deployments.deploy import deploy as deploy_target

    changes = deploy_target(_target(chosen, pool), chosen.alert)
    if as_json:
        print_json(changes)
        return
    rows = [(change.kind, change.name, change.action) for change in changes]
    print_grids([Grid("on the Prefect server", ("", "name", ""), rows, num_words=3)])
    typer.echo(f"start a worker where the files are: prefect worker start --pool {pool}")


@spread
def serve(
    chosen: TargetChoices,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the Prefect UI.")] = 4200,
) -> None:
    """Run the Prefect UI, the schedules and the flows for PATHS on this machine until Ctrl-C."""
    from deployments.serve import serve as serve_target

    serve_target(_target(chosen, DEFAULT_POOL), port, chosen.alert, typer.echo)


def _target(chosen: TargetChoices, pool: str) -> Target:
    from deployments.target import make_target

    return make_target(
        chosen.paths,
        chosen.collection,
        chosen.model,
        chosen.name,
        pool,
        text_model=chosen.text_model,
        audio_model=chosen.audio_model,
    )
