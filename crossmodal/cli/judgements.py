"""Offer what people said of hits: ``judgements`` and ``judgements export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossmodal.cli.options import DEFAULT_COLLECTION, CollectionOption, DeviceOption, JsonOption
from crossmodal.cli.printing import print_json, print_tables
from crossmodal.views.human import counted

if TYPE_CHECKING:
    from crossmodal.evaluation.judgements import SaidOfModel

judgements = typer.Typer(
    name="judgements",
    help="What people said of hits on the search page.",
    no_args_is_help=True,
)


@judgements.command("list")
def list_judgements(
    collection: CollectionOption = DEFAULT_COLLECTION, as_json: JsonOption = False
) -> None:
    """Tell how many of the judged hits fit, for each model version that found them."""
    from crossmodal.evaluation.judgements import said_of_models
    from crossmodal.ledger.collection import Collection
    from crossmodal.ledger.write.judgements import standing_judgements
    from crossmodal.views.text_table import TextTable

    with Collection(collection).read() as con:
        said = standing_judgements(con)
    told = said_of_models(said)
    if as_json:
        print_json({"models": told, "judgements": said})
        return
    rows = [
        [each.model, f"{each.num_judged:,}", f"{each.num_fit:,}", _share(each)] for each in told
    ]
    print_tables([TextTable("Judged hits", ["model", "judged", "fit", "share"], rows)])


@judgements.command()
def export(
    folder: Annotated[Path, typer.Argument(help="A folder, made where missing.")],
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Write a set for `crossmodal evaluate`, and pairs.csv for `crossmodal finetune`."""
    from crossmodal.evaluation.judgements import export_judgements
    from crossmodal.ledger.collection import Collection

    done = export_judgements(Collection(collection), folder)
    if as_json:
        print_json(done)
        return
    typer.echo(
        f"{done.folder}: {counted(done.num_queries, 'query', 'queries')}, "
        f"{counted(done.num_judgements, 'judgement')}, {counted(done.num_pairs, 'pair')}"
    )
    if done.num_lost:
        typer.echo(f"left out: {counted(done.num_lost, 'query', 'queries')} by items that are gone")


@judgements.command()
def thresholds(
    strong: Annotated[float, typer.Option(help="Share of strong hits that has to fit.")] = 0.9,
    likely: Annotated[float, typer.Option(help="Of hits that are likely or strong.")] = 0.5,
    off: Annotated[bool, typer.Option("--off", help="Forget them: by chance alone again.")] = False,
    collection: CollectionOption = DEFAULT_COLLECTION,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Fit from which merit on hits are strong and likely to what people said of hits."""
    from crossmodal.evaluation.fit_limits import fit_limits
    from crossmodal.ledger.collection import Collection
    from crossmodal.ledger.write.strength_limits import drop_limits

    opened = Collection(collection)
    with opened.read():
        pass  # entering it refuses a missing file, which writing would make
    if off:
        with opened.write() as con:
            num_dropped = drop_limits(con)
        if as_json:
            print_json({"dropped": num_dropped})
        else:
            typer.echo("dropped" if num_dropped else "there were none")
        return
    found = fit_limits(opened, {"strong": strong, "likely": likely}, device)
    if as_json:
        print_json(found)
    else:
        typer.echo(found.sentence())


def _share(each: SaidOfModel) -> str:
    return f"{each.share:.3f} ({each.low:.3f} to {each.high:.3f})"
