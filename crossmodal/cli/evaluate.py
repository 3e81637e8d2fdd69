"""Offer evaluation on the command line: ``evaluate``."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from crossmodal.cli.drawn import form_command
from crossmodal.cli.invoke import checked
from crossmodal.cli.options import JsonOption
from crossmodal.cli.printing import print_json, print_tables


@form_command("flows.params.evaluate:EvaluateParams")
def evaluate(
    given: dict[str, Any],
    export: Annotated[str, typer.Option(help="Write TREC files into this folder.")] = "",
    changed: Annotated[str, typer.Option(help="Write a PNG of what changed most.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Say how well searches answer SET, compared with what, and whether gates hold."""
    from crossmodal.evaluation.judge import judge, refuse_missed, write_files
    from crossmodal.runs.progress import make_progress
    from flows.params.evaluate import EvaluateParams

    params = checked(EvaluateParams, given)
    progress = make_progress(sys.stderr, quiet=False)
    try:
        found = judge(params.spec(), progress)
    finally:
        progress.finish()
    written = write_files(found, params.collection, export, changed)
    if as_json:
        print_json(found.to_dict() | {"files": [str(file) for file in written]})
    else:
        print_tables(found.tables())
        for file in written:
            typer.echo(f"written: {file}")
    refuse_missed(found)
