"""The demo's own sources in one collection of the built-in model, indexed once a session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from examples.demo import made
from tests.shell import Shell


@dataclass(frozen=True)
class Demo:
    """Hold the collection, its sources and what the first run printed."""

    shell: Shell
    sources: list[str]
    printed: str

    def first_hits(self, questions: list[str], *options: object) -> list[str]:
        """Return the name of the file that is found first for each question."""
        answers = self.shell.json("search", *questions, "-k", 1, *options)
        return [Path(answer["hits"][0]["uri"]).name for answer in answers]


@pytest.fixture(scope="session")
def demo(session_shell: Callable[[str], Shell], tmp_path_factory: pytest.TempPathFactory) -> Demo:
    sources = made(tmp_path_factory.mktemp("demo"))
    shell = session_shell("demo")
    return Demo(shell, sources, shell.run("index", *sources).stdout)
