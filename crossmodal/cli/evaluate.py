"""Offer evaluation on the command line: ``evaluate``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from crossmodal.cli.invoke import checked
from crossmodal.cli.options import (
    DEFAULT_COLLECTION,
    CollectionOption,
    DeviceOption,
    JsonOption,
    ModelOption,
)
from crossmodal.cli.printing import print_grids, print_json


def evaluate(
    set_path: Annotated[str, typer.Argument(metavar="SET", help="Captions, BEIR, TREC, labels.")],
    collection: CollectionOption = DEFAULT_COLLECTION,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    root: Annotated[str | None, typer.Option(help="Where the set's paths begin.")] = None,
    against: Annotated[
        str | None, typer.Option(help="A model version, live, or an evaluation's id.")
    ] = None,
    gate: Annotated[
        list[str] | None, typer.Option(help='"text->image recall@10 >= -0.01"; repeatable.')
    ] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="Look only among these; repeatable.")
    ] = None,
    pair: Annotated[list[str] | None, typer.Option(help="Only this pair; repeatable.")] = None,
    depth: Annotated[int, typer.Option(help="Hits looked at a query.")] = 100,
    allow_overlap: Annotated[bool, typer.Option(help="Even if it was trained on this.")] = False,
    seed: Annotated[int, typer.Option(help="Of the intervals' draws.")] = 0,
    export: Annotated[str, typer.Option(help="Write TREC files into this folder.")] = "",
    changed: Annotated[str, typer.Option(help="Write a PNG of what changed most.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Say how well searches answer SET, compared with what, and whether gates hold."""
    own = ("export", "changed", "as_json", "gate", "pair", "where", "own")
    given = {name: value for name, value in locals().items() if name not in own}
    given |= {"gates": gate or [], "pairs": pair or [], "where": where or []}
    from crossmodal.evaluation.judge import judge, refuse_missed, write_files
    from crossmodal.runs.progress import make_progress
    from flows.params.evaluate import EvaluateParams

    params = checked(EvaluateParams, given)
    progress = make_progress(sys.stderr, quiet=False)
    progress.start(None, "queries")
    try:
        found = judge(params.spec(), progress.advance)
    finally:
        progress.finish()
    written = write_files(found, collection, export, changed)
    if as_json:
        print_json(found.to_dict() | {"files": [str(file) for file in written]})
    else:
        print_grids(found.grids())
        for file in written:
            typer.echo(f"written: {file}")
    refuse_missed(found)
