"""Offer the rerankers of a collection: ``reranker set``, ``list``, ``fill``, ``drop``.

And ``reranker why``, which draws where in a picture a query is found.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from crossmodal.cli.options import DEFAULT_COLLECTION, CollectionOption, DeviceOption, JsonOption
from crossmodal.cli.printing import print_json, print_tables
from crossmodal.search.options import MAX_POOL

reranker = typer.Typer(
    name="reranker",
    help="Keep a reranker where it wins: set it by a gate, list, drop.",
    no_args_is_help=True,
)

PairOption = Annotated[str, typer.Option(help="text->passage or text->image.")]

PoolOption = Annotated[
    int,
    typer.Option(
        min=1, max=MAX_POOL, help="Token vectors of a hit that are joined to one; 1: none."
    ),
]


@reranker.callback()
def _group() -> None:
    """Keep rerankers that order the first hits of every search anew; none without a figure."""


@reranker.command(name="set")
def set_(
    model: Annotated[str, typer.Argument(help="Directory or hub id of a reranker.")],
    pair: PairOption,
    gate: Annotated[str, typer.Option(help="The evaluation set that has to show it.")],
    root: Annotated[str, typer.Option(help="Where the set's relative paths begin.")] = "",
    pool: PoolOption = 1,
    collection: CollectionOption = DEFAULT_COLLECTION,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Let MODEL order the hits of PAIR, if SET shows that they are better then."""
    from crossmodal.evaluation.choose_reranker import RerankerSpec, set_reranker
    from crossmodal.runs.progress import make_progress

    spec = RerankerSpec(
        collection=collection,
        model=model,
        pair=pair,
        set_path=gate,
        root=root,
        device=device,
        pool=pool,
    )
    progress = make_progress(sys.stderr, quiet=as_json)
    try:
        kept = set_reranker(spec, progress)
    finally:
        progress.finish()
    if as_json:
        print_json(kept | {"pair": pair})
        return
    value, low, high = kept["change"]
    typer.echo(
        f"{pair}: {kept['label']} orders the first hits from now on, nDCG@10 {kept['before']:.3f} "
        f"-> {kept['after']:.3f} ({value:+.4f}, {low:+.4f} to {high:+.4f})"
    )


@reranker.command(name="list")
def list_(collection: CollectionOption = DEFAULT_COLLECTION, as_json: JsonOption = False) -> None:
    """Show which reranker is kept for which pair, what showed it, and what is cached for them."""
    from crossmodal.evaluation.choose_reranker import kept_rerankers
    from crossmodal.ledger.read.token_files import TokenFile
    from crossmodal.views.status import token_sentences
    from crossmodal.views.text_table import TextTable

    found = kept_rerankers(collection)
    if as_json:
        print_json(found)
        return
    rows = [
        (pair, kept["label"], kept["set"], f"{kept['before']:.3f}", f"{kept['after']:.3f}")
        for pair, kept in sorted(found["pairs"].items())
    ]
    header = ("pair", "reranker", "set", "nDCG@10 before", "after")
    print_tables([TextTable("rerankers", header, rows, num_words=3)])
    for told in token_sentences([TokenFile(**each) for each in found["tokens"]]):
        typer.echo(f"token vectors of {told}")
    if not found["tokens"]:
        typer.echo("no token vectors are kept beside the collection")


@reranker.command()
def fill(
    model: Annotated[
        str, typer.Argument(help="Directory or hub id; empty: those that are kept.")
    ] = "",
    collection: CollectionOption = DEFAULT_COLLECTION,
    pool: PoolOption = 1,
    max_gb: Annotated[
        float, typer.Option(min=0, help="What they may take from now on; 0: as before, 4 at first.")
    ] = 0,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Make the token vectors that multi-vector rerankers lack, so that no search waits for them."""
    from crossmodal.ledger.collection import Collection
    from crossmodal.runs.progress import make_progress
    from crossmodal.search.tokens.due import FillSpec, kept_specs
    from crossmodal.search.tokens.fill import fill_tokens, sweep
    from crossmodal.views.human import counted, human_bytes

    if pool > 1 and not model:
        raise typer.BadParameter("--pool is for a model that is named: kept ones keep their own")
    opened = Collection(collection)
    specs = [FillSpec(model=model, pool=pool)] if model else kept_specs(opened)
    progress = make_progress(sys.stderr, quiet=as_json)
    try:
        done = [fill_tokens(opened, one, device, progress, int(max_gb * 1e9)) for one in specs]
    finally:
        progress.finish()
    num_gone = sweep(opened)
    if as_json:
        print_json({"filled": done, "num_gone": num_gone})
        return
    for one in done:
        left = f", {one.num_left:,} cannot be read ({one.reasons[0]})" if one.reasons else ""
        made = f"{counted(one.num_made, 'chunk')} made, {one.num_kept:,} there before{left}"
        typer.echo(f"{one.model}: {made}; {human_bytes(one.num_bytes)}")
    if num_gone:
        typer.echo(f"{counted(num_gone, 'entry', 'entries')} of what is gone dropped")
    if not specs:
        typer.echo("nothing to fill: no reranker that keeps token vectors is set; name one")


@reranker.command()
def drop(
    pair: PairOption,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Let the hits of PAIR stand as the first search ranks them."""
    from crossmodal.evaluation.choose_reranker import drop_reranker

    was_there = drop_reranker(collection, pair)
    if as_json:
        print_json({"pair": pair, "dropped": was_there})
    else:
        typer.echo(f"{pair}: {'dropped' if was_there else 'there was none'}")


@reranker.command()
def why(
    model: Annotated[str, typer.Argument(help="Directory or hub id of a ColPali or ColQwen2.")],
    text: Annotated[str, typer.Argument(help="What was looked for.")],
    chunk: Annotated[int, typer.Argument(help="The id of a picture's or a page's hit.")],
    out: Annotated[Path, typer.Option(help="Where the map goes, as PNG.")] = Path("why.png"),
    collection: CollectionOption = DEFAULT_COLLECTION,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Draw where in the picture of CHUNK the words of TEXT are found, by a model of pages."""
    from crossmodal.search.patch_map import map_patches

    found = map_patches(collection, chunk, text, model, device)
    found.drawn().save(out, "PNG")
    if as_json:
        print_json(found.to_dict() | {"out": str(out)})
        return
    down, across = found.grid.shape
    typer.echo(f"{out}: {down} x {across} places of chunk {chunk}, by {found.label}")
