"""The command line and the forms of the Prefect UI offer the same, with the same defaults."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any

import pytest
import typer
from pydantic import BaseModel
from typer.testing import CliRunner

from crossmodal.cli.options import EmbedChoices
from crossmodal.cli.run import BackfillChoices, IndexChoices
from crossmodal.cli.spread import spread
from flows.params.backfill import BackfillParams
from flows.params.base import EmbedParams, IndexParams

PAIRS = [
    (EmbedChoices, EmbedParams),
    (IndexChoices, IndexParams),
    (BackfillChoices, BackfillParams),
]


@dataclass(frozen=True, kw_only=True)
class Where:
    place: Annotated[str, typer.Argument()]
    depth: Annotated[int, typer.Option("--depth", "-d")] = 1


@dataclass(frozen=True, kw_only=True)
class WhereAndWhen(Where):
    days: Annotated[list[str] | None, typer.Option("--day")] = None
    late: bool = False


@pytest.mark.parametrize(("choices", "form"), PAIRS)
def test_every_field_of_a_form_is_an_option(choices: type, form: type[BaseModel]) -> None:
    assert {field.name for field in fields(choices)} == set(form.model_fields)


@pytest.mark.parametrize(("choices", "form"), PAIRS)
def test_defaults_are_those_of_the_form(choices: type, form: type[BaseModel]) -> None:
    given = {f.name: f.default for f in fields(choices) if f.default not in (MISSING, None)}
    filled = form(paths=["here"])
    assert given == {name: getattr(filled, name) for name in given}
    left_open = {f.name for f in fields(choices) if f.default is None}
    assert not any(getattr(filled, name) for name in left_open)


def made(heard: list[Any]) -> Callable[..., None]:
    @spread
    def command(first: WhereAndWhen, loud: bool = False) -> None:
        """Go there."""
        heard.append((first, loud))

    return command


def run(*arguments: str, exit_code: int = 0) -> tuple[Any, str]:
    heard: list[Any] = []
    app = typer.Typer()
    app.command()(made(heard))
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == exit_code, done.output
    return (heard[0] if heard else None), done.output


def test_fields_reach_the_command_as_one_value() -> None:
    heard, _ = run("here", "-d", "3", "--day", "monday", "--day", "friday", "--late", "--loud")
    where = WhereAndWhen(place="here", depth=3, days=["monday", "friday"], late=True)
    assert heard == (where, True)


def test_what_is_left_out_is_the_default_of_the_field() -> None:
    assert run("here")[0] == (WhereAndWhen(place="here"), False)


def test_field_without_a_default_has_to_be_given() -> None:
    heard, said = run(exit_code=2)
    assert heard is None
    assert "place" in said.lower()


def test_signature_has_the_fields_of_the_base_first_and_keeps_name_and_help() -> None:
    command = made([])
    assert list(inspect.signature(command).parameters) == ["place", "depth", "days", "late", "loud"]
    assert (command.__name__, command.__doc__) == ("command", "Go there.")
