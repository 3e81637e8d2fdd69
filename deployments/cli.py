"""Add to ``crossmodal`` what needs a Prefect server: ``deploy`` and ``serve``.

Thin like the commands it adds to; everything heavy is imported inside the command that needs it.
"""

from __future__ import annotations

from typing import Annotated

import typer

from deployments.ui_cli import ui
from flows.cli import app, main
from flows.options import (
    DEFAULT_COLLECTION,
    AudioModelOption,
    CollectionOption,
    JsonOption,
    ModelOption,
    TextModelOption,
)
from flows.printing import print_grids, print_json

__all__ = ["app", "main"]

DEFAULT_POOL = "crossmodal"
PathsArgument = Annotated[list[str], typer.Argument(help="Folders, files, globs or URLs.")]
NameOption = Annotated[
    str | None,
    typer.Option(help="Name of the deployments; by default the collection's file name."),
]
AlertOption = Annotated[
    str | None, typer.Option("--alert", help="URL to post to when a run fails or is lost.")
]


@app.command()
def deploy(
    paths: PathsArgument,
    collection: CollectionOption = DEFAULT_COLLECTION,
    model: ModelOption = None,
    text_model: TextModelOption = None,
    audio_model: AudioModelOption = None,
    name: NameOption = None,
    pool: Annotated[str, typer.Option(help="Work pool; created where missing.")] = DEFAULT_POOL,
    alert: AlertOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put the flows, schedules and automations for PATHS on the configured Prefect server."""
    from dataclasses import asdict

    from deployments.deploy import deploy as deploy_target
    from deployments.target import make_target
    from tasks.grid import Grid

    target = make_target(
        paths, collection, model, name, pool, text_model=text_model, audio_model=audio_model
    )
    changes = deploy_target(target, alert)
    if as_json:
        print_json([asdict(change) for change in changes])
        return
    rows = [(change.kind, change.name, change.action) for change in changes]
    print_grids([Grid("on the Prefect server", ("", "name", ""), rows, num_words=3)])
    typer.echo(f"start a worker where the files are: prefect worker start --pool {pool}")


@app.command()
def serve(
    paths: PathsArgument,
    collection: CollectionOption = DEFAULT_COLLECTION,
    model: ModelOption = None,
    text_model: TextModelOption = None,
    audio_model: AudioModelOption = None,
    name: NameOption = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the Prefect UI.")] = 4200,
    alert: AlertOption = None,
) -> None:
    """Run the Prefect UI, the schedules and the flows for PATHS on this machine until Ctrl-C."""
    from deployments.serve import serve as serve_target
    from deployments.target import make_target

    target = make_target(
        paths, collection, model, name, DEFAULT_POOL, text_model=text_model, audio_model=audio_model
    )
    serve_target(target, port, alert, typer.echo)


app.command()(ui)
