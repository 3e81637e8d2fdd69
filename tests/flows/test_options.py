"""The command line offers what the forms of the Prefect UI do, under the same names."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import pytest
import typer
from pydantic import BaseModel, Field
from typer.testing import CliRunner

from crossmodal.cli import ask, run, serve
from crossmodal.cli.drawn import drawn, form_command, option_name
from crossmodal.cli.invoke import checked
from flows.params.asking import PromoteParams
from flows.params.backfill import BackfillParams
from flows.params.base import IndexParams
from flows.params.forms import Day, OnCommandLine


class Where(BaseModel):
    place: Annotated[str, OnCommandLine(argument=True)] = Field(description="Where.")
    depth: Annotated[int, OnCommandLine(("--depth", "-d"))] = Field(
        default=1, description="How deep.", ge=0, le=9
    )
    days: Annotated[list[str], OnCommandLine(("--day",))] = Field(default_factory=list)
    since: Day | None = Field(default=None, description="From when.")
    late: bool = Field(default=False, description="Late.")


WHERE = f"{__name__}:Where"


@pytest.mark.parametrize(
    ("command", "form", "only_flow"),
    [
        (run.index, IndexParams, set()),
        (run.backfill, BackfillParams, set()),
        (run.promote, PromoteParams, {"ask", "patience_h"}),
    ],
)
def test_every_field_of_a_form_is_an_option(
    command: Callable[..., None], form: type[BaseModel], only_flow: set[str]
) -> None:
    offered = set(inspect.signature(drawn(command, [command.__name__])).parameters)
    assert offered == {*form.model_fields, "as_json"} - only_flow


def test_command_takes_only_the_fields_that_it_names() -> None:
    offered = set(inspect.signature(drawn(serve.serve, ["serve"])).parameters)
    assert offered >= {"paths", "collection", "model", "port"}
    assert "shard_size" not in offered
    assert "text" not in inspect.signature(drawn(ask.search, ["search"])).parameters


def invoke(*arguments: str, exit_code: int = 0) -> tuple[Any, str]:
    heard: list[Any] = []

    @form_command(WHERE)
    def go(given: dict[str, Any], loud: bool = False) -> None:
        """Go there."""
        heard.append((given, checked(Where, given), loud))

    app = typer.Typer()
    app.command()(drawn(go, ["go"]))
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == exit_code, done.output
    return (heard[0] if heard else None), " ".join(done.output.replace("│", " ").split())


def test_words_reach_the_form_and_become_its_values() -> None:
    (_, where, loud), _ = invoke(
        "here", "-d", "3", "--day", "monday", "--day", "friday", "--late", "--loud"
    )
    assert where == Where(place="here", depth=3, days=["monday", "friday"], late=True)
    assert loud


def test_what_is_left_out_is_the_default_of_the_form() -> None:
    (given, where, _), _ = invoke("here")
    assert where == Where(place="here")
    assert "since" not in given


def test_field_without_a_default_has_to_be_given() -> None:
    heard, said = invoke(exit_code=2)
    assert heard is None
    assert "PLACE" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--depth", "10"), "--depth: must be at most 9, not '10'"),
        (("--depth", "deep"), "--depth: must be a whole number, not 'deep'"),
        (("--since", "2024-31-01"), "--since: must be a date such as 2024-01-31"),
    ],
)
def test_wrong_value_names_the_option_in_plain_words(arguments: tuple[str, ...], said: str) -> None:
    assert said in invoke("here", *arguments, exit_code=2)[1]


def test_option_is_called_as_it_is_typed() -> None:
    assert option_name(IndexParams, "chunk_tokens") == "--chunk-tokens"
    assert option_name(IndexParams, "paths") == "PATHS"
    assert option_name(BackfillParams, "partitions") == "--partition"


def test_command_that_is_not_asked_for_draws_nothing_and_keeps_name_and_help() -> None:
    @form_command("no.such.module:Form")
    def go(given: dict[str, Any]) -> None:
        """Go there."""

    listed = drawn(go, ["search"])
    assert not inspect.signature(listed).parameters
    assert (listed.__name__, listed.__doc__) == ("go", "Go there.")


def test_rule_about_several_fields_names_their_options() -> None:
    given = {"paths": ["/p"], "since": "2024-02-01", "until": "2024-01-01"}
    with pytest.raises(typer.BadParameter, match=r"--until \(.*\) is before --since"):
        checked(BackfillParams, given)
