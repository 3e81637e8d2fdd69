"""Offer ``crossmodal watch``: the index flow, run again whenever files change."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossmodal.cli import dry_run
from crossmodal.cli.drawn import form_command
from crossmodal.cli.invoke import checked, outcome, ready_flow
from crossmodal.cli.options import JsonOption
from crossmodal.views.human import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from flows.params.base import IndexParams

_UNSEEN = ("unchanged", "skipped")


@form_command("flows.params.base:IndexParams", without=("dry_run",))
def watch(
    given: dict[str, Any],
    settle_s: Annotated[
        float, typer.Option(min=0.05, max=600, help="Seconds of rest before changes are indexed.")
    ] = 1.0,
    as_json: JsonOption = False,
) -> None:
    """Index PATHS, and again within seconds whenever files change there, until Ctrl-C."""
    from crossmodal.sources.watching import changes, watched_folders
    from flows.params.base import IndexParams

    params = checked(IndexParams, given)
    dry_run.refuse_early(params)
    folders = watched_folders(params.paths)
    with ready_flow(_index_flow) as run:
        for changed in changes(folders, params.collection, settle_s):
            _index_once(run, params, len(changed), as_json=as_json)


def _index_once(
    run: Callable[..., Any], params: IndexParams, num_changed: int, *, as_json: bool
) -> None:
    """Run the flow and say in a line how it ended; a run that failed ends no watch."""
    given = params.model_dump(mode="json", exclude=set(params.left_open))
    report = outcome(run(**given, return_state=True))
    if as_json:
        typer.echo(json.dumps({"num_changed_paths": num_changed} | report, default=str))
    else:
        typer.echo(_line(report))


def _line(report: dict[str, Any]) -> str:
    """Return such as ``21:04:11  2 added, 1 deleted; 3 chunks embedded``."""
    counts = [f"{n:,} {what}" for what, n in report["counts"].items() if what not in _UNSEEN]
    done = ", ".join(counts) or "nothing to do"
    refused = sum(report["quarantined"].values())
    embedded = report["num_embedded"]
    told = [f"{done}; {counted(embedded, 'chunk')} embedded"]
    told += [f"{refused:,} quarantined"] * bool(refused)
    return f"{datetime.now():%H:%M:%S}  {', '.join(told)}"


def _index_flow() -> Any:
    from flows.index import index as flow

    return flow
