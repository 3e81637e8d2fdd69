"""Offer recommendations on the command line, and their judgement by a log of events."""

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

_EXAMPLE = "A chunk id, an indexed path, a picture or a text; repeatable."


def recommend(
    like: Annotated[list[str] | None, typer.Option(help=_EXAMPLE)] = None,
    dislike: Annotated[list[str] | None, typer.Option(help=_EXAMPLE)] = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    strategy: Annotated[str, typer.Option(help="best, sum or average.")] = "best",
    diversity: Annotated[
        float, typer.Option(min=0, max=1, help="From 0, what fits best, to 1, what differs.")
    ] = 0.0,
    session: Annotated[
        bool, typer.Option(help="Likes are in the order of time; each counts half the next.")
    ] = False,
    profile: Annotated[str | None, typer.Option(help="Begin with a stored taste.")] = None,
    save: Annotated[str | None, typer.Option(help="Store this taste by name.")] = None,
    k: Annotated[int, typer.Option("--k", "-k", min=1, max=1000, help="How many.")] = 10,
    where: Annotated[
        list[str] | None, typer.Option(help="As for search, such as path=*.jpg; repeatable.")
    ] = None,
    modality: Annotated[
        list[str] | None, typer.Option(help="Only image, text or audio; repeatable.")
    ] = None,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    contact_sheet: Annotated[
        Path | None, typer.Option(help="Write a PNG of what is found.")
    ] = None,
    events: Annotated[
        Path | None, typer.Option(help="Judge by a CSV log of who, what, when and how instead.")
    ] = None,
    train_share: Annotated[
        float, typer.Option(help="Of the events, the share that counts as the past.")
    ] = 0.8,
    min_rating: Annotated[float, typer.Option(help="Ratings from here up are likes.")] = 1.0,
    as_json: JsonOption = False,
) -> None:
    """Find what somebody with these likes and dislikes would like; without any, a varied sample."""
    from crossmodal.recommendation.options import RecommendOptions
    from crossmodal.recommendation.scoring import strategy_named

    options = RecommendOptions(
        collection=collection,
        likes=like or [],
        dislikes=dislike or [],
        strategy=strategy_named(strategy),
        diversity=diversity,
        session=session,
        profile=profile,
        save=save,
        k=k,
        where=where or [],
        modalities=tuple(modality or []),
        model=model,
        device=device,
    )
    if events:
        from crossmodal.recommendation.offline import evaluate

        judged = evaluate(events, options, train_share, min_rating)
        notices, shown, plain = judged.notices(), judged.to_text_table(), judged.to_dict()
    else:
        from crossmodal.recommendation.recommend import recommend as find

        found = find(options)
        notices, shown, plain = found.notices, found.to_text_table(), found.to_dict()
        if contact_sheet:
            from crossmodal.previews.contact_sheet import QueryRow
            from crossmodal.previews.contact_sheet import contact_sheet as write_sheet

            write_sheet([QueryRow(found.title, found.hits)], contact_sheet)
    if as_json:
        print_json(plain)
        return
    print_tables([shown])
    for notice in notices:
        typer.echo(f"note: {notice}", err=True)
