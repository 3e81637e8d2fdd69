"""The page of commands says what the command line offers."""

from __future__ import annotations

from typer.testing import CliRunner

from crossmodal.cli.main import make_app
from crossmodal.cli.reference import reference
from tests.conftest import ROOT


def test_the_page_of_commands_is_what_the_command_line_offers() -> None:
    page = ROOT / "docs" / "commands.md"
    assert page.read_text(encoding="utf-8") == reference(), (
        "write it anew: python -m crossmodal.cli.reference > docs/commands.md"
    )


def test_help_names_the_extra_that_an_option_needs() -> None:
    asked = ["index", "--help"]
    shown = CliRunner().invoke(make_app(asked), asked, env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.output
    assert "crossmodal[ocr]" in shown.output
