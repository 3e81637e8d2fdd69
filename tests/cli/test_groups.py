"""Commands of commands say what they offer, and take the collection as all others do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crossmodal.cli.main import command_names, make_app
from crossmodal.ledger.collection import Collection
from tests.cli.test_readme import leaves

GROUPS = sorted({name.split()[0] for name, _ in leaves() if " " in name})
WITH_ANSWER = {"models", "review"}


def answer(*arguments: str, **environment: str) -> tuple[int, str]:
    done = CliRunner().invoke(make_app(command_names()), list(arguments), env=environment)
    return done.exit_code, done.output


@pytest.mark.parametrize("name", [name for name in GROUPS if name not in WITH_ANSWER])
def test_a_group_alone_lists_its_commands_and_fails(name: str) -> None:
    code, told = answer(name)
    assert code == 2
    assert "Commands" in told


@pytest.mark.parametrize("name", sorted(WITH_ANSWER))
def test_a_group_that_answers_alone_asks_the_collection_of_the_environment(
    name: str, tmp_path: Path
) -> None:
    named = tmp_path / "named.duckdb"
    with Collection(named).write():
        pass
    code, told = answer(name, "--json", CROSSMODAL_COLLECTION=str(named))
    assert code == 0, told
    json.loads(told)
    assert answer(name, CROSSMODAL_COLLECTION=str(tmp_path / "missing.duckdb"))[0] != 0


def test_no_alias_is_said(tmp_path: Path) -> None:
    with Collection(tmp_path / "new.duckdb").write():
        pass
    assert "no alias is set" in answer("alias", "-c", str(tmp_path / "new.duckdb"))[1]
