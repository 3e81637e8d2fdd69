"""Offer the flows and the ledger's questions on the command line: ``crossmodal ...``.

Thin on purpose: options in, one call, text or JSON out. A command is a function in a file of this
folder and a row of the table below; ``crossmodal.cli.drawn`` draws its options from the form of its
flow, others are parameters as Typer reads them. Everything heavy is imported inside the
command that needs it, so that ``--help`` answers at once. A failure is one sentence on standard
error and exit code 1; a wrong option is exit code 2.
"""

from __future__ import annotations

import atexit
import itertools
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import typer

from crossmodal.cli import agents, ask, create, keep, models, moderate, project, run, space
from crossmodal.cli.drawn import drawn
from crossmodal.cli.evaluate import evaluate
from crossmodal.cli.export import export, publish
from crossmodal.cli.forget import forget
from crossmodal.cli.judgements import judgements
from crossmodal.cli.quiet import quieten
from crossmodal.cli.recommend import recommend
from crossmodal.cli.reranker import reranker
from crossmodal.cli.saved import saved
from crossmodal.cli.serve import deploy, serve
from crossmodal.cli.stopping import leave_threads
from crossmodal.cli.undo import undo
from crossmodal.cli.watch import watch
from crossmodal.cli.web import ui

_HELP = "Keep a DuckDB file of embeddings in step with your files, and search it by meaning."
_COMMANDS: Mapping[str, tuple[Callable[..., None] | typer.Typer, ...]] = {
    "Index": (run.index, watch, run.backfill, ask.backfills, undo, forget),
    "Search": (ask.search, ask.ask, saved, ui, agents.mcp),
    "Use": (
        recommend,
        moderate.moderate,
        moderate.review,
        create.pair,
        create.duplicates,
        create.map,
        create.storyboard,
    ),
    "Models": (
        models.models,
        run.finetune,
        run.distil,
        space.space,
        evaluate,
        judgements,
        models.compare,
        run.promote,
        models.rollback,
        models.ab,
        models.alias,
        models.pin,
        models.gc,
        reranker,
    ),
    "Look after": (
        ask.status,
        ask.quarantine,
        ask.profile,
        keep.verify,
        keep.backup,
        keep.restore,
        export,
        publish,
    ),
    "Prefect": (deploy, serve),
}
"""By the headings of the help: what a person wants to do."""


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
        leave_threads(1)
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
    for heading, commands in _COMMANDS.items():
        for command in commands:
            if isinstance(command, typer.Typer):
                app.add_typer(command, rich_help_panel=heading)
            else:
                app.command(rich_help_panel=heading)(drawn(command, arguments))
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
    """Return the names of the commands of the table that are functions."""
    every = itertools.chain.from_iterable(_COMMANDS.values())
    return [command.__name__ for command in every if not isinstance(command, typer.Typer)]


def _mute() -> None:
    """Drop what DuckDB's binding says when Python ends while Prefect still refers to it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
