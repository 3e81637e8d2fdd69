"""Offer the ledger's answers to a terminal: search, status, quarantine, profile, backfills."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossmodal.cli.drawn import form_command
from crossmodal.cli.invoke import checked
from crossmodal.cli.options import DEFAULT_COLLECTION, CollectionOption, JsonOption
from crossmodal.cli.printing import print_json, print_paths, print_tables
from crossmodal.cli.stopping import leave_threads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL.Image import Image

    from crossmodal.search.answer import Answer
    from crossmodal.search.federation.asking import ManyCollections
    from crossmodal.search.options import QueryOptions
    from crossmodal.search.service import SearchService


_PARTLY = 3
"""Exit code of an answer that some of the collections are not in."""


@form_command("flows.params.asking:SearchParams", without=("text", "image", "collection"))
def search(
    given: dict[str, Any],
    texts: Annotated[list[str] | None, typer.Argument(help="What to look for.")] = None,
    image: Annotated[list[str] | None, typer.Option(help="A picture to look for its like.")] = None,
    plus: Annotated[
        list[str] | None,
        typer.Option(help='Mix in: a path, an id or a text, as "2:at night"; repeatable.'),
    ] = None,
    minus: Annotated[
        list[str] | None, typer.Option(help="Take away, named like --plus; repeatable.")
    ] = None,
    queries: Annotated[
        Path | None,
        typer.Option(help="A .txt, .csv or .jsonl file of queries; answers come as JSON lines."),
    ] = None,
    contact_sheet: Annotated[Path | None, typer.Option(help="Write a PNG of the hits.")] = None,
    maps: Annotated[
        bool,
        typer.Option(
            "--maps", help="On the contact sheet draw where a ColPali or ColQwen2 found the words."
        ),
    ] = False,
    collection: Annotated[
        list[str] | None,
        typer.Option(
            "--collection",
            "-c",
            help="A DuckDB file, http://HOST:PORT of one that is served, or @FILE with a list of "
            "them; repeatable: searched as one. Default: CROSSMODAL_COLLECTION, then "
            f"{DEFAULT_COLLECTION}.",
        ),
    ] = None,
    deadline_s: Annotated[
        float,
        typer.Option(min=0.1, max=3600, help="Of several collections, how long to wait for any."),
    ] = 60.0,
    here: Annotated[
        bool,
        typer.Option("--here", help="Load the models here, even where `crossmodal ui` has them."),
    ] = False,
    only_paths: Annotated[
        bool, typer.Option("--files", "-f", help="Print the paths of the hits and no more.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Find what TEXTS or pictures mean."""
    from flows.params.asking import SearchParams

    if maps and not contact_sheet:
        raise typer.BadParameter("--maps draws on the contact sheet: add --contact-sheet out.png")
    asked_of = collection or [os.environ.get("CROSSMODAL_COLLECTION") or DEFAULT_COLLECTION]
    # The form is of one query, the command of many: that one is there is seen to below.
    form = {"text": "any", "collection": asked_of[0], **given}
    options = checked(SearchParams, form).query_options()
    is_plain = not (here or image or plus or minus or queries or contact_sheet)
    if is_plain and _answered_by_running(asked_of, options, texts or [], as_json, only_paths):
        return
    service = _service_of(asked_of, options, deadline_s)
    if queries:
        _answer_file(queries, service, options)
        return
    if plus or minus:
        asked = [*(texts or []), *(image or [])]
        answers = [_answer_sum(service, options, asked, plus or [], minus or [])]
    else:
        from crossmodal.search.service import queries_of

        asked_for = queries_of(options, texts or [], image or [])
        answers = list(service.ask_many(asked_for, options))
    if contact_sheet:
        from crossmodal.previews.contact_sheet import QueryRow
        from crossmodal.previews.contact_sheet import contact_sheet as write_sheet

        where = partial(_maps, path=asked_of[0], device=options.device) if maps else _unmapped
        write_sheet([QueryRow(a.query, a.hits, where(a)) for a in answers], contact_sheet)
    if as_json:
        print_json([a.to_dict() for a in answers])
    elif only_paths:
        print_paths(hit.uri for a in answers for hit in a.hits)
    else:
        _show(answers, contact_sheet)
    _end_partly(answers)


def _answered_by_running(
    collections: list[str],
    options: QueryOptions,
    texts: list[str],
    as_json: bool,
    only_paths: bool,
) -> bool:
    """Print what a page of this user that serves the collection answers; False: there is none."""
    from crossmodal.search.federation.addresses import is_many
    from crossmodal.search.running import ask_running
    from crossmodal.views.text_table import TextTable

    found = None if is_many(collections) else ask_running(options, texts)
    if found is None:
        return False
    answers = [each["answer"] for each in found]
    if as_json:
        print_json(answers)
    elif only_paths:
        print_paths(hit["uri"] for a in answers for hit in a["hits"])
    else:
        print_tables([TextTable(**each["table"]) for each in found])
        for notice in dict.fromkeys(notice for a in answers for notice in a["notices"]):
            typer.echo(f"note: {notice}", err=True)
    return True


def _service_of(
    collections: list[str], options: QueryOptions, deadline_s: float
) -> SearchService | ManyCollections:
    from crossmodal.search.federation.addresses import is_many

    if is_many(collections):
        from crossmodal.search.federation.asking import many_collections

        return many_collections(collections, deadline_s)
    from crossmodal.ledger.collection import Collection
    from crossmodal.search.service import SearchService

    return SearchService(Collection(options.collection))


def _answer_sum(
    service: SearchService | ManyCollections,
    options: QueryOptions,
    texts: list[str],
    plus: list[str],
    minus: list[str],
) -> Answer:
    from crossmodal.errors import FilterError
    from crossmodal.search.federation.asking import ManyCollections
    from crossmodal.search.service import answer_sum

    if isinstance(service, ManyCollections):
        raise FilterError("--plus and --minus mix within one collection: search it by itself")
    return answer_sum(options, texts, plus, minus)


def _maps(answer: Answer, path: str, device: str) -> Mapping[int, Image]:
    from crossmodal.search.patch_map import maps_of

    if not answer.mapped_by:
        typer.echo(
            "note: nothing is drawn over the hits: no reranker that maps pictures ordered them; "
            "name a ColPali or a ColQwen2 with --rerank",
            err=True,
        )
    return maps_of(answer, path, device)


def _unmapped(answer: Answer) -> Mapping[int, Image]:
    return {}


def _show(answers: list[Answer], contact_sheet: Path | None) -> None:
    print_tables([a.to_text_table() for a in answers])
    notices = [notice for a in answers for notice in a.notices]
    notices += [absence.sentence for a in answers for absence in a.unanswered]
    for notice in dict.fromkeys(notices):
        typer.echo(f"note: {notice}", err=True)
    if contact_sheet:
        typer.echo(f"contact sheet: {contact_sheet}")


def _end_partly(answers: list[Answer]) -> None:
    """End with an exit code of its own where some collections are not in the answers."""
    if not any(answer.unanswered for answer in answers):
        return
    leave_threads(_PARTLY)
    raise typer.Exit(_PARTLY)


def _answer_file(
    file: Path, service: SearchService | ManyCollections, options: QueryOptions
) -> None:
    """Print a JSON line for each query of a file, with what else stands in its row."""
    import json

    from crossmodal.search.query_file import read_queries

    asked = read_queries(file)
    answers = []
    for each, answer in zip(
        asked, service.ask_many([each.query for each in asked], options), strict=True
    ):
        typer.echo(json.dumps(each.extras | answer.to_dict(), default=str, ensure_ascii=False))
        answers.append(replace(answer, hits=[]))
    _end_partly(answers)


@form_command("flows.params.asking:AskParams")
def ask(given: dict[str, Any], as_json: JsonOption = False) -> None:
    """Answer a question by sentences of the sources, word for word, each with its place."""
    from crossmodal.search.cited import ask as find
    from flows.params.asking import AskParams

    params = checked(AskParams, given)
    found = find(params.text, params.query_options())
    if as_json:
        print_json(found.to_dict())
        return
    print_tables([found.to_text_table()])
    for notice in found.notices:
        typer.echo(f"note: {notice}", err=True)


def backfills(
    backfill_id: Annotated[
        str | None, typer.Argument(help="Show the partitions of this one.")
    ] = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """List the backfills, or the partitions of one: planned, done, failed, vectors, time."""
    from crossmodal.ledger.collection import Collection
    from crossmodal.ledger.write import backfills as ledger
    from crossmodal.views.backfills import backfills_table, partitions_table

    with Collection(collection).read() as con:
        if backfill_id:
            backfill_id = ledger.find(con, backfill_id).backfill_id
            partitions = ledger.partitions(con, backfill_id)
        else:
            found = ledger.all_backfills(con)
    if as_json:
        print_json(partitions if backfill_id else found)
        return
    print_tables(
        [partitions_table(backfill_id, partitions) if backfill_id else backfills_table(found)]
    )


def status(
    collection: CollectionOption = DEFAULT_COLLECTION,
    health: Annotated[
        bool,
        typer.Option(
            "--health", help="How sound the latest vectors and the pictures are, instead."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what the collection holds, by model version, and how the last runs went."""
    if health:
        _show_health(collection, as_json=as_json)
        return
    from crossmodal.ledger.collection import Collection
    from crossmodal.ledger.read.status import status as read_status
    from crossmodal.sandbox.walls import walls
    from crossmodal.views.status import status_tables

    opened = Collection(collection)
    with opened.read() as con:
        found = read_status(con, opened)
    if as_json:
        print_json(asdict(found) | {"sandbox": asdict(walls())})
        return
    print_tables(status_tables(found))
    typer.echo(f"Files are parsed in a process of their own: {walls().sentence()}.")


def _show_health(path: str, *, as_json: bool) -> None:
    from crossmodal.ledger.collection import Collection
    from crossmodal.ledger.write.health import latest_health
    from crossmodal.ledger.write.model_versions import all_versions
    from crossmodal.pictures.checked import check_pictures
    from crossmodal.views.health import findings_table, health_table, pictures_table

    with Collection(path).read() as con:
        rows = latest_health(con, num_runs=12)
        labels = {version.id or 0: version.label for version in all_versions(con)}
        pictures = check_pictures(con)
    if as_json:
        print_json({"lists": rows, "pictures": pictures})
        return
    tables = [health_table(rows, labels), findings_table(rows, labels), pictures_table(pictures)]
    print_tables(tables)


def quarantine(
    collection: CollectionOption = DEFAULT_COLLECTION,
    reason: Annotated[str | None, typer.Option(help="Only this reason.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows at most.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """List what was refused, at which stage and why."""
    from crossmodal.ledger.collection import Collection
    from crossmodal.ledger.read.status import quarantine_rows
    from crossmodal.views.status import quarantine_table

    with Collection(collection).read() as con:
        rows = quarantine_rows(con, limit, reason)
    if as_json:
        print_json(rows)
        return
    print_tables([quarantine_table(rows)])


def profile(
    run: Annotated[str | None, typer.Argument(help="Run id; default: last.")] = None,
    against: Annotated[str | None, typer.Option(help="Run to compare with.")] = None,
    trace: Annotated[Path | None, typer.Option(help="Write a trace that Perfetto opens.")] = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Show where a run's time went, what bounds it, and how an earlier run compares."""
    from crossmodal.runs.profiles import load_profile
    from crossmodal.runs.trace import write_trace

    shown = load_profile(collection, run, against)
    if trace:
        write_trace(shown.spans, trace)
    if as_json:
        print_json(shown.to_dict())
        return
    print_tables(shown.to_text_tables())
    typer.echo(shown.verdict)
    if trace:
        typer.echo(f"trace: {trace} (open it at https://ui.perfetto.dev)")
