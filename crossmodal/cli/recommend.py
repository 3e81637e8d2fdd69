"""Offer recommendations on the command line, and their judgement by a log of events."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from crossmodal.cli.drawn import form_command
from crossmodal.cli.invoke import checked
from crossmodal.cli.options import JsonOption
from crossmodal.cli.printing import print_json, print_tables


@form_command("flows.params.recommend:RecommendParams")
def recommend(
    given: dict[str, Any],
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
    from flows.params.recommend import RecommendParams

    options = checked(RecommendParams, given).recommend_options()
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
