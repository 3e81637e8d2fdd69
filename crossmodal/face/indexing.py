"""Run the index flow for Python, as the command does: same form, same server, same report.

Prefect is imported here and nowhere else in this room. Invariant: wrong parameters are refused
before it is.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossmodal.cli import project
from crossmodal.cli.idle.run import index_idle
from crossmodal.cli.quiet import quieten
from crossmodal.cli.temporary_server import early_server
from crossmodal.errors import CrossmodalError, ParametersError

if TYPE_CHECKING:
    from flows.params.base import IndexParams


def run_index(collection: str, paths: Sequence[str], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the report of a run of the index flow.

    Raises:
        ParametersError: an option is unknown or has no such value.
        RunError: the run did not keep its promise; ``report`` says what it did.
    """
    with _project_first():
        params = _checked({"collection": collection, "paths": list(paths), **options})
        if "prefect" not in sys.modules and not params.dry_run and (idle := index_idle(params)):
            return idle
        result = _run(params.model_dump(mode="json")).result(raise_on_failure=False)
    if isinstance(result, BaseException):
        raise result
    return dict(result)


def _run(given: dict[str, Any]) -> Any:
    """Run the flow; in a process that has used Prefect already, on the server that it knows."""
    quieten()
    with early_server() if "prefect" not in sys.modules else nullcontext() as server:
        from flows.index import index

        with server.used() if server else nullcontext():
            return index(**given, return_state=True)


def _checked(given: dict[str, Any]) -> IndexParams:
    from pydantic import ValidationError

    from flows.params.base import IndexParams
    from flows.params.problems import problems

    try:
        return IndexParams(**given)
    except ValidationError as error:
        raise ParametersError("; ".join(problems(error))) from None


@contextmanager
def _project_first() -> Iterator[None]:
    """Let ``import flows`` find the project's while the flow runs; leave the path as it was."""
    folder = project.folder()
    _refuse_strangers(folder)
    before = list(sys.path)
    project.put_first()
    try:
        yield
    finally:
        sys.path[:] = before


def _refuse_strangers(folder: Path) -> None:
    for name in ("flows", "tasks"):
        known = getattr(sys.modules.get(name), "__file__", None)
        if known and not Path(known).resolve().is_relative_to(folder.resolve()):
            raise CrossmodalError(
                f"this program has a package {name} of its own ({known}), which stands in the way "
                "of the flow of that name: run the command `crossmodal index` in its place"
            )
