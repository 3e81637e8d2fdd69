"""The models to take: one table for the command and for README.md."""

from __future__ import annotations

import json
import re

import pytest
from typer.testing import CliRunner

from crossmodal.cli.main import make_app
from crossmodal.models.recommended import USES, for_use, markdown, recommended
from tests.conftest import ROOT


def told(*arguments: str, expect: int = 0) -> str:
    words = ["models", "recommend", *arguments]
    done = CliRunner().invoke(make_app(words), words, env={"COLUMNS": "400"})
    assert done.exit_code == expect, done.output
    return done.stdout


def test_readme_shows_the_table_that_the_command_reads() -> None:
    assert markdown(recommended()) in (ROOT / "README.md").read_text("utf-8")


def test_every_use_has_a_model_and_every_model_a_figure_with_its_source() -> None:
    assert {use for row in recommended() for use in row.uses} == set(USES)
    for row in recommended():
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", row.id)
        assert row.option in ("--model", "--text-model", "--audio-model")
        assert re.search(r"\d", row.figure)
        assert row.url.startswith("https://")
        assert row.licence


@pytest.mark.parametrize("use", USES)
def test_command_prints_what_is_for_a_use(use: str) -> None:
    found = json.loads(told("--for", use, "--json"))
    assert [row["id"] for row in found] == [row.id for row in for_use(use)]
    assert all(use in row["uses"] for row in found)


def test_table_names_the_option_the_licence_and_the_source() -> None:
    shown = " ".join(told("--for", "sound").split())
    for part in ("--audio-model", "laion/clap-htsat-unfused", "Apache-2.0", "https://"):
        assert part in shown


def test_unknown_use_is_refused_with_what_is_allowed() -> None:
    assert told("--for", "poems", expect=2) == ""
