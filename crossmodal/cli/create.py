"""Offer what is made of a collection: pairs, groups of duplicates, maps and storyboards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crossmodal.cli.options import (
    DEFAULT_COLLECTION,
    CollectionOption,
    DeviceOption,
    JsonOption,
    ModelOption,
)
from crossmodal.cli.printing import print_json, print_tables


def pair(
    one: Annotated[str, typer.Argument(help="An indexed folder, file or glob.")],
    other: Annotated[str, typer.Argument(help="What is to be matched with it.")],
    collection: CollectionOption = DEFAULT_COLLECTION,
    many: Annotated[bool, typer.Option(help="Several of OTHER may go to one of ONE.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Match assets across modalities, such as pictures with texts, and say how surely."""
    from crossmodal.creation.pairing import pair as match

    found = match(collection, one, other, "one-to-many" if many else "one-to-one")
    if as_json:
        print_json(found.to_dict())
        return
    print_tables([found.to_text_table()])


def duplicates(
    collection: CollectionOption = DEFAULT_COLLECTION,
    by: Annotated[
        list[str] | None, typer.Option(help="content, looks or meaning; repeatable. All of them.")
    ] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="As for search, such as path=*.jpg; repeatable.")
    ] = None,
    max_bits: Annotated[int, typer.Option(help="Bits of 64 that looks may differ in.")] = 6,
    min_cosine: Annotated[float, typer.Option(help="Nearness from which meaning is one.")] = 0.97,
    contact_sheet: Annotated[Path | None, typer.Option(help="Write a PNG of the groups.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Find files that are the same thing, and which of each group to keep; delete nothing."""
    from crossmodal.creation.duplicates import duplicates as find
    from crossmodal.creation.groups import WAYS, ways_named

    ways = ways_named(by) if by else WAYS
    found = find(collection, ways, where or [], max_bits, min_cosine)
    if contact_sheet and not found.groups:
        typer.echo(f"note: no group to show, so {contact_sheet} was not written", err=True)
    elif contact_sheet:
        from crossmodal.previews.contact_sheet import contact_sheet as write_sheet

        write_sheet(found.to_rows(), contact_sheet)
    if as_json:
        print_json(found.to_dict())
        return
    print_tables([found.to_text_table()])


def map(
    out: Annotated[Path, typer.Argument(help="The PNG to write.")] = Path("map.png"),
    collection: CollectionOption = DEFAULT_COLLECTION,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    fresh: Annotated[bool, typer.Option(help="Draw it up anew, though it would do.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Draw the collection on a sheet: what is alike lies together, clusters have names."""
    from crossmodal.creation.draw_map import write_map_png
    from crossmodal.creation.mapping import update_map

    found = update_map(collection, model, device, fresh=fresh)
    write_map_png(found, out)
    if as_json:
        print_json(found.to_dict())
        return
    print_tables([found.to_text_table()])
    typer.echo(f"map: {out}")


def storyboard(
    text: Annotated[str, typer.Argument(help="The text to tell.")] = "",
    file: Annotated[Path | None, typer.Option(help="Read the text from a file.")] = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    contact_sheet: Annotated[Path | None, typer.Option(help="Write it as PNG.")] = None,
    alternatives: Annotated[int, typer.Option(min=0, max=10, help="Shown beside each.")] = 2,
    where: Annotated[
        list[str] | None, typer.Option(help="As for search, such as path=*.jpg; repeatable.")
    ] = None,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Find for each sentence of a text the picture that shows it best, no picture twice."""
    from crossmodal.creation.storyboard import read_text
    from crossmodal.creation.storyboard import storyboard as tell
    from crossmodal.search.options import QueryOptions

    options = QueryOptions(collection=collection, model=model, device=device, where=where or [])
    found = tell(read_text(file) if file else text, options, alternatives)
    if contact_sheet:
        from crossmodal.previews.contact_sheet import contact_sheet as write_sheet

        write_sheet(found.to_rows(), contact_sheet, columns=alternatives + 1)
    if as_json:
        print_json(found.to_dict())
        return
    print_tables([found.to_text_table()])
