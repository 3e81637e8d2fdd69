"""Offer derived spaces on the command line: ``space add`` and ``space fill``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from crossmodal.cli.options import DEFAULT_COLLECTION, CollectionOption, JsonOption
from crossmodal.cli.printing import print_json
from crossmodal.views.human import counted

space = typer.Typer(
    name="space",
    help="Derive spaces from stored vectors: add one, fill them all.",
    no_args_is_help=True,
)


@space.callback()
def _group() -> None:
    """Derive spaces from stored vectors; they are promoted and dropped like any model version."""


@space.command()
def add(
    kind: Annotated[
        str, typer.Argument(help="centring, pca, whitening, truncation, propagation or graphsage.")
    ],
    dim: Annotated[int, typer.Option(min=0, help="Of the new vectors; 0: as before.")] = 0,
    of: Annotated[str, typer.Option(help="Derive from this version; default: live.")] = "",
    name: Annotated[str, typer.Option(help="Empty: the parent's with the kind.")] = "",
    keep: Annotated[
        float, typer.Option(help="propagation: share of its own vector that a chunk keeps.")
    ] = 0.5,
    steps: Annotated[
        int, typer.Option(help="propagation, graphsage (1 or 2): how many edges far.")
    ] = 2,
    near: Annotated[
        int, typer.Option(help="Both: nearest neighbours beside the edges of documents.")
    ] = 0,
    section: Annotated[
        float, typer.Option(help="propagation: weight of the edge to a chunk's section.")
    ] = 0.0,
    everything: Annotated[
        bool, typer.Option("--everything", help="Both: passages move too.")
    ] = False,
    centred: Annotated[
        bool, typer.Option(help="Both: take the mean of each modality off before.")
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="graphsage: of all that is drawn.")] = 0,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Derive a space of KIND and fill it: no file is read, no model is loaded."""
    from crossmodal.runs.progress import make_progress
    from crossmodal.spaces.add import add_space
    from crossmodal.spaces.fit import SpaceSpec

    spec = SpaceSpec(
        kind=kind,
        dim=dim,
        name=name,
        parent=of,
        keep=keep,
        steps=steps,
        near=near,
        section=section,
        everything=everything,
        centred=centred,
        seed=seed,
    )
    made = add_space(collection, spec, make_progress(sys.stderr, quiet=as_json))
    if as_json:
        print_json(made)
        return
    for line in made.lines():
        typer.echo(line)


@space.command()
def fill(collection: CollectionOption = DEFAULT_COLLECTION, as_json: JsonOption = False) -> None:
    """Bring every derived space in step with its parent; index and backfill do so themselves."""
    from crossmodal.runs.progress import make_progress
    from crossmodal.spaces.add import fill_all

    num = fill_all(collection, make_progress(sys.stderr, quiet=as_json))
    if as_json:
        print_json({"num_vectors": num})
    else:
        typer.echo(f"{counted(num, 'vector')} computed or dropped")
