"""Offer the flows and the ledger's questions on the command line: ``crossmodal ...``.

Thin on purpose: options in, one call, text or JSON out. A command is a function in a file of this
folder and a row of the table below; ``crossmodal.cli.drawn`` draws its options from the form of its
flow, others are parameters as Typer reads them. Everything heavy is imported inside the
command that needs it, so that ``--help`` answers at once. A failure is one sentence on standard
error and exit code 1; a wrong option is exit code 2.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from crossmodal.cli import agents, ask, create, keep, models, moderate, project, run, space
from crossmodal.cli.drawn import drawn
from crossmodal.cli.evaluate import evaluate
from crossmodal.cli.export import export
from crossmodal.cli.forget import forget
from crossmodal.cli.judgements import judgements
from crossmodal.cli.quiet import quieten
from crossmodal.cli.recommend import recommend
from crossmodal.cli.reranker import reranker
from crossmodal.cli.saved import saved
from crossmodal.cli.serve import deploy, serve
from crossmodal.cli.undo import undo
from crossmodal.cli.watch import watch
from crossmodal.cli.web import ui

_HELP = "Keep a DuckDB file of embeddings in step with your files, and search it by meaning."
_COMMANDS: tuple[Callable[..., None], ...] = (
    run.index,
    watch,
    ask.search,
    ask.ask,
    recommend,
    create.pair,
    create.duplicates,
    create.map,
    create.storyboard,
    ask.status,
    ask.quarantine,
    run.backfill,
    ask.backfills,
    undo,
    forget,
    run.finetune,
    run.distil,
    run.promote,
    models.rollback,
    models.compare,
    models.gc,
    models.pin,
    models.alias,
    models.ab,
    evaluate,
    moderate.moderate,
    ask.profile,
    export,
    keep.verify,
    keep.backup,
    keep.restore,
    deploy,
    serve,
    ui,
    agents.mcp,
)


def main() -> None:
    """Run the command line; turn every expected error into one sentence and exit code 1."""
    from crossmodal.errors import CrossmodalError

    project.put_first()
    app = make_app([*sys.argv[1:], *_words_to_complete()])
    quieten()
    atexit.register(_mute)  # registered first, so it runs after everybody else's farewell
    try:
        app()
    except CrossmodalError as error:
        typer.echo(f"crossmodal: {error}", err=True)
        sys.exit(1)


def make_app(arguments: Sequence[str]) -> typer.Typer:
    """Return the commands of the table; only those that are named among the arguments have options.

    To draw options from a form costs its import, which the list of commands need not wait for.
    """
    app = typer.Typer(
        name="crossmodal",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    app.callback(help=_HELP)(_with_version)
    for command in _COMMANDS:
        app.command()(drawn(command, arguments))
    app.add_typer(models.models)
    app.add_typer(moderate.review)
    app.add_typer(judgements)
    app.add_typer(saved)
    app.add_typer(space.space)
    app.add_typer(reranker)
    return app


def _say_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"crossmodal {version('crossmodal')}")
        raise typer.Exit


def _with_version(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Say which version this is.", callback=_say_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Take what belongs to no command."""


def _words_to_complete() -> list[str]:
    """Return what stands on the command line that a shell wants to complete; most often nothing."""
    given = os.environ.get("_TYPER_COMPLETE_ARGS") or os.environ.get("COMP_WORDS") or ""
    return given.split() if "_CROSSMODAL_COMPLETE" in os.environ else []


def command_names() -> list[str]:
    """Return the names of the commands of the table."""
    return [command.__name__ for command in _COMMANDS]


def _mute() -> None:
    """Drop what DuckDB's binding says when Python ends while Prefect still refers to it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
