"""What README says of the commands holds for each of them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from crossmodal.cli.main import command_names, make_app
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text("utf-8")
ENDLESS = {"serve", "ui", "mcp"}


def leaves() -> Iterator[tuple[str, Any]]:
    """Yield every command with its whole name, also those of groups."""
    app: Any = typer.main.get_command(make_app(command_names()))
    for name, command in app.commands.items():
        inner = getattr(command, "commands", None)
        if inner is None or (command.invoke_without_command and command.params):
            yield name, command
        if inner is not None:
            yield from ((f"{name} {each}", found) for each, found in inner.items())


def test_every_command_stands_in_the_table() -> None:
    table = [line.replace(r"\|", "") for line in README.splitlines()]
    rows = [line.split("|")[1] for line in table if line.startswith("| `crossmodal ")]
    named = {word for row in rows for word in re.findall(r"[a-z]{2,}", row)}
    assert {name.split()[0] for name, _ in leaves()} <= named


@pytest.mark.parametrize("name", [name for name, _ in leaves() if name not in ENDLESS])
def test_every_command_that_ends_answers_in_json(name: str) -> None:
    options = {option for known in dict(leaves())[name].params for option in known.opts}
    assert "--json" in options


def test_every_command_stands_under_a_heading_of_the_help() -> None:
    app: Any = typer.main.get_command(make_app([]))
    assert not [name for name, command in app.commands.items() if not command.rich_help_panel]


def test_every_extra_stands_in_the_table() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    table = README.split("| extra |")[1].split("\n\n")[0]
    named = {
        word
        for line in table.splitlines()
        for word in re.findall(r"`([a-z0-9]+)`", line.split("|")[1])
    }
    assert named == {*project["optional-dependencies"]} - {"test"}
