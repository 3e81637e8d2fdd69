"""Offer models to take, and the life of their versions: list, compare, roll back, drop, name."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossmodal.cli.options import DEFAULT_COLLECTION, CollectionOption, JsonOption
from crossmodal.cli.printing import print_json, print_tables
from crossmodal.models.recommended import USES, for_use
from crossmodal.views.human import counted

if TYPE_CHECKING:
    from crossmodal.models.promotion import Promotion

models = typer.Typer(
    name="models",
    help="List every model version: origin, licence, size, figures, and what it serves.",
    invoke_without_command=True,
)


@models.command()
def recommend(
    use: Annotated[
        str, typer.Option("--for", help=f"{', '.join(USES)}; default: all that is known.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Say which models to take for a use, why, and what was published of them."""
    from crossmodal.views.text_table import TextTable

    if use and use not in USES:
        raise typer.BadParameter(f"--for {use}: choose one of {', '.join(USES)}")
    found = for_use(use)
    if as_json:
        print_json(found)
        return
    rows = [
        (r.label, f"{r.option} {r.id}", str(r.dims), r.licence, r.why, f"{r.figure} ({r.url})")
        for r in found
    ]
    header = ("for", "model", "dims", "licence", "why", "published")
    print_tables([TextTable("models to take", header, rows, num_words=len(header))])
    typer.echo("Figures are as published, none was measured here: try one beside the live model,")
    typer.echo("crossmodal backfill PATH... --model ID, then crossmodal evaluate and promote.")


@models.command()
def tune(
    collection: CollectionOption = DEFAULT_COLLECTION,
    model: Annotated[
        str, typer.Option("--model", "-m", help="Empty: the collection's live model version.")
    ] = "",
    images: Annotated[
        str, typer.Option(help="Folder to take the sample from; empty: the collection.")
    ] = "",
    captions: Annotated[
        str, typer.Option(help="Table of pictures and captions: its pictures are the sample.")
    ] = "",
    num: Annotated[int, typer.Option(min=16, max=2000, help="Pictures in the sample.")] = 60,
    input_px: Annotated[
        list[int] | None, typer.Option(help="Smaller side to try; may be given again.")
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="Integers at each --input-px too; what --write writes.")
    ] = False,
    write: Annotated[
        str, typer.Option(help="Write the model of --input-px, --int8 or both into this folder.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Try faster ways to embed a sample of pictures: what each would gain and cost."""
    from crossmodal.runs.progress import make_progress
    from crossmodal.training.tuning.tune import TuneSpec, tuning_table
    from crossmodal.training.tuning.tune import tune as tried

    spec = TuneSpec(
        collection=collection,
        model=model,
        images=images,
        captions=captions,
        num_pictures=num,
        input_px=tuple(input_px or ()),
        int8=int8,
        write=write,
    )
    progress = make_progress(sys.stderr, quiet=as_json)
    progress.start(None, "trying ways")
    try:
        found = tried(spec, lambda: progress.advance(1))
    finally:
        progress.finish()
    if as_json:
        print_json(found)
        return
    print_tables([tuning_table(found)])
    typer.echo(found.advice)


@models.callback()
def list_models(
    context: typer.Context,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """List every model version: origin, licence, size, figures, and what it serves."""
    if context.invoked_subcommand is not None:
        return
    from crossmodal.evaluation.model_tables import model_tables
    from crossmodal.ledger.collection import Collection
    from crossmodal.models.catalogue import catalogue
    from crossmodal.models.promotion_log import log_lines

    with Collection(collection).read() as con:
        entries, log = catalogue(con), log_lines(con)
    if as_json:
        print_json({"versions": entries, "log": log})
        return
    print_tables(model_tables(entries, log))


def compare(
    versions: Annotated[list[str], typer.Argument(help="Names, numbers or labels; two or more.")],
    collection: CollectionOption = DEFAULT_COLLECTION,
    of: Annotated[str, typer.Option("--set", help="Only this evaluation set.")] = "",
    plot: Annotated[Path | None, typer.Option(help="Write a PNG of the first pair.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Set VERSIONS side by side: recall, ms a query, ms an item, MB, and the frontier."""
    from crossmodal.evaluation.frontier import draw_frontier, frontier, frontier_table
    from crossmodal.ledger.collection import Collection
    from crossmodal.ledger.write import model_versions
    from crossmodal.models.catalogue import catalogue
    from crossmodal.models.retire import one_version

    with Collection(collection).read() as con:
        wanted = {one_version(con, spec).id for spec in versions}
        entries = [entry for entry in catalogue(con) if entry.version.id in wanted]
        known = len(model_versions.all_versions(con))
    if len(entries) < 2:
        raise typer.BadParameter(f"name two or more different versions of {known}")
    points = frontier(entries, of)
    if plot:
        draw_frontier(points, points[0].pair, plot)
    if as_json:
        print_json(points)
        return
    print_tables([frontier_table(points)])
    if plot:
        typer.echo(f"plot: {plot}")


def rollback(
    why: Annotated[str, typer.Option(help="For the log.")] = "",
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Let searches use again what was live before the latest promotion."""
    from crossmodal.ledger.collection import Collection
    from crossmodal.models.promotion import rollback_in

    show_change(rollback_in(Collection(collection), why), as_json=as_json)


def gc(
    keep: Annotated[int, typer.Option(min=0, help="The newest so many stay anyway.")] = 2,
    apply: Annotated[bool, typer.Option("--apply", help="Do it; else only told.")] = False,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Drop model versions that nobody needs; never the live, the former or a pinned one."""
    from crossmodal.evaluation.model_tables import collected_table
    from crossmodal.ledger.collection import Collection
    from crossmodal.models.retire import collect

    done = collect(Collection(collection), keep, dry_run=not apply)
    if as_json:
        print_json(done)
        return
    print_tables([collected_table(done)])
    if not apply:
        typer.echo("nothing was changed: say --apply to drop them")


def pin(
    version: Annotated[str, typer.Argument(help="Name, number or label.")],
    why: Annotated[str, typer.Option(help="For the others.")] = "",
    remove: Annotated[bool, typer.Option("--remove", help="Unpin it.")] = False,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Keep a model version from ever being dropped by gc."""
    from crossmodal.ledger.collection import Collection
    from crossmodal.models import retire

    with Collection(collection).read():
        pass  # entering it refuses a missing file, which writing would make
    with Collection(collection).write() as con:
        found = retire.unpin(con, version) if remove else retire.pin(con, version, why)
    if as_json:
        print_json({"version": found.label, "pinned": not remove})
        return
    typer.echo(f"{'unpinned' if remove else 'pinned'}: {found.label}")


def alias(
    name: Annotated[str, typer.Argument(help="Such as champion; left out: list them.")] = "",
    version: Annotated[str, typer.Argument(help="Name, number or label; moves the alias.")] = "",
    why: Annotated[str, typer.Option(help="For the others.")] = "",
    remove: Annotated[bool, typer.Option("--remove", help="Drop the alias.")] = False,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Give a model version a name that every --model understands, and that can be moved."""
    from crossmodal.ledger.collection import Collection
    from crossmodal.models import aliases

    if name and not version and not remove:
        raise typer.BadParameter(f"name the version that {name} stands for, or say --remove")
    opened = Collection(collection)
    with opened.read() as con:
        found = aliases.aliases(con)
    if name:
        with opened.write() as con:
            if remove:
                aliases.remove_alias(con, name)
            else:
                aliases.set_alias(con, name, version, why)
            found = aliases.aliases(con)
    if as_json:
        print_json(found)
        return
    if not found:
        typer.echo("no alias is set: `crossmodal alias NAME VERSION` sets one")
    for each in found:
        typer.echo(f"{each.name}: {each.version}" + (f" ({each.why})" if each.why else ""))


def ab(
    version: Annotated[str, typer.Argument(help="Name, number or label; empty: tell.")] = "",
    share: Annotated[float, typer.Option(help="Of the queries, above 0 and below 1.")] = 0.2,
    why: Annotated[str, typer.Option(help="For the log.")] = "",
    off: Annotated[bool, typer.Option("--off", help="End the trial.")] = False,
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="Even if it holds less than the live one.")
    ] = False,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Let VERSION answer a share of the searches, and tell by people's judgements who is better."""
    from crossmodal.evaluation.trial_result import result_in, result_table
    from crossmodal.ledger.collection import Collection
    from crossmodal.models import trial

    if off and version:
        raise typer.BadParameter(f"name either {version} to begin a trial, or --off to end it")
    opened = Collection(collection)
    if version:
        trial.begin(opened, version, share, why, allow_partial=allow_partial)
    with opened.read() as con:
        on, found = result_in(con)
    if off:
        on = trial.end(opened, why)
    if as_json:
        print_json({"trial": on, "is_on": on is not None and not off, "result": found})
        return
    if on is None or found is None:
        typer.echo("no trial is on: begin one with `crossmodal ab VERSION --share 0.2`")
        return
    typer.echo(f"ended: {on.sentence()}" if off else on.sentence())
    print_tables([result_table(found)])
    typer.echo(found.verdict)


def show_change(change: Promotion, *, as_json: bool) -> None:
    """Print which version serves which modality from now on."""
    if as_json:
        print_json(change)
        return
    for modality, label in change.after.items():
        typer.echo(f"{modality}: {label} ({counted(change.vectors[modality], 'vector')})")
