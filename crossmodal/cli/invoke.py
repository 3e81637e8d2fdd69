"""Carry a command's options into a flow, and the flow's end out again: words and an exit code.

Shared by the commands that run a flow; knows none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from crossmodal.cli.drawn import option_name
from crossmodal.cli.printing import print_json
from crossmodal.cli.stopping import stopped_promptly
from crossmodal.runs.asked import note_asked

if TYPE_CHECKING:
    from pydantic import BaseModel

# What a report says of itself, in the order in which it is read.
_TEXTS = ("text", "partitions_text")

Params = TypeVar("Params", bound="BaseModel")


def checked(model: type[Params], given: dict[str, Any]) -> Params:
    """Return a flow's parameters, or end with exit code 2 and a word on each wrong value."""
    from pydantic import ValidationError

    try:
        return model(**given)
    except ValidationError as error:
        from flows.params.problems import problems

        lines = problems(error, lambda field: option_name(model, field))
        raise typer.BadParameter("; ".join(lines)) from error


def run_flow(load: Callable[[], Any], params: BaseModel, *, as_json: bool) -> None:
    """Run the flow that ``load`` imports and print its report; see ``show_outcome``."""
    note_asked()
    with ready_flow(load) as flow:
        given = params.model_dump(mode="json", exclude=getattr(params, "left_open", None))
        show_outcome(flow(**given, return_state=True), as_json=as_json)


@contextmanager
def ready_flow(load: Callable[[], Any]) -> Iterator[Any]:
    """Yield the flow that ``load`` imports, with a server to run on, for as many runs as wanted."""
    from crossmodal.cli.temporary_server import early_server

    with early_server() as server, stopped_promptly(server.kill if server else _nothing):
        flow = load()
        with server.used() if server else nullcontext():
            yield flow


def _nothing() -> None:
    """End nothing: the Prefect server is somebody else's."""


def show_outcome(state: Any, *, as_json: bool) -> None:
    """Print a flow run's report; exit code 1 where the run did not keep its promise."""
    show_report(outcome(state), as_json=as_json)
    if state.is_failed() or state.is_crashed():
        raise typer.Exit(1)


def show_report(report: dict[str, Any], *, as_json: bool) -> None:
    """Print what a run did."""
    if as_json:
        print_json(report)
    else:
        typer.echo("\n\n".join(report[part] for part in _TEXTS if part in report))


def show_preview(preview: dict[str, Any], *, as_json: bool) -> None:
    """Print what a run would do."""
    if as_json:
        print_json(preview)
    else:
        typer.echo(preview["text"])


def outcome(state: Any) -> dict[str, Any]:
    """Return the run's report, also of a run that ended Failed; re-raise anything else."""
    from crossmodal.errors import RunError

    result = state.result(raise_on_failure=False)
    if isinstance(result, RunError) and result.report is not None:
        typer.echo(f"crossmodal: {result}", err=True)
        return result.report
    if isinstance(result, BaseException):
        raise result
    return dict(result)
