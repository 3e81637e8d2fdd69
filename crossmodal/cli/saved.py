"""Offer searches that alert: ``saved save``, ``saved list`` and ``saved drop``."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from crossmodal.cli.options import DEFAULT_COLLECTION, CollectionOption, JsonOption
from crossmodal.cli.printing import print_json, print_tables
from crossmodal.modalities import MODALITIES

if TYPE_CHECKING:
    from crossmodal.ledger.write.saved_searches import SavedSearch

saved = typer.Typer(
    name="saved", help="Searches that alert when a new item matches.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(help="What the search is called.")]


class Least(StrEnum):
    """How strong a new item must be."""

    LIKELY = "likely"
    STRONG = "strong"


@saved.command()
def save(
    name: Name,
    text: Annotated[str, typer.Argument(help="What to look for.")],
    where: Annotated[
        list[str] | None, typer.Option(help="As for search, such as path=*.pdf; repeatable.")
    ] = None,
    modality: Annotated[
        list[str] | None, typer.Option(help="Only image, text or audio; repeatable.")
    ] = None,
    min_strength: Annotated[
        Least, typer.Option(help="Alert only of what is at least as strong.")
    ] = Least.LIKELY,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Save a search: from now on each index run tells of new items that match it."""
    from crossmodal.ledger.collection import Collection
    from crossmodal.ledger.write.saved_searches import SavedSearch
    from crossmodal.search.saved import save as keep

    wrong = sorted(set(modality or []) - set(MODALITIES))
    if wrong:
        raise typer.BadParameter(f"--modality: {wrong[0]!r} is none of {', '.join(MODALITIES)}")
    search = SavedSearch(
        name=name,
        text=text,
        conditions=where or [],
        modalities=modality or [],
        min_strength=min_strength.value,
    )
    keep(Collection(collection), search)
    _show(collection, as_json=as_json)


@saved.command("list")
def list_saved(
    collection: CollectionOption = DEFAULT_COLLECTION, as_json: JsonOption = False
) -> None:
    """List the saved searches, and how many items each has told of."""
    _show(collection, as_json=as_json)


@saved.command()
def drop(
    name: Name, collection: CollectionOption = DEFAULT_COLLECTION, as_json: JsonOption = False
) -> None:
    """Forget a saved search."""
    from crossmodal.ledger.collection import Collection
    from crossmodal.search.saved import drop as forget

    forget(Collection(collection), name)
    _show(collection, as_json=as_json)


def _show(path: str, *, as_json: bool) -> None:
    from crossmodal.ledger.collection import Collection
    from crossmodal.ledger.write.saved_searches import saved_searches
    from crossmodal.views.text_table import TextTable

    with Collection(path).read() as con:
        found = saved_searches(con)
    if as_json:
        print_json(found)
        return
    header = ["name", "text", "conditions", "from", "told of", "last"]
    print_tables([TextTable("Saved searches", header, [_row(each) for each in found], num_words=4)])


def _row(search: SavedSearch) -> list[str]:
    conditions = [*search.conditions, *(f"modality={each}" for each in search.modalities)]
    last = f"{search.told_at:%Y-%m-%d %H:%M}" if search.told_at else "never"
    told = f"{search.num_told:,}"
    return [search.name, search.text, ", ".join(conditions), search.min_strength, told, last]
