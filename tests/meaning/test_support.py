"""Ask the files of a help desk: chats, calls, tables and rules, by the real command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import crossmodal
from crossmodal.search.cited import CitedAnswer
from examples.support import QUESTIONS, Known, make
from tests.shell import Shell

pytest.importorskip("rapidocr", reason="the extra ocr is not installed")
pytestmark = [pytest.mark.meaning, pytest.mark.process, pytest.mark.slow]


@pytest.fixture(scope="module")
def answers(
    session_shell: Callable[[str], Shell], tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[Known, CitedAnswer]]:
    desk = tmp_path_factory.mktemp("support") / "desk"
    make(desk)
    shell = session_shell("support")
    shell.run("index", desk, "--ocr")
    opened = crossmodal.open(shell.collection)
    return [(known, opened.ask(known.question, k=3)) for known in QUESTIONS]


def test_source_that_answers_is_among_the_first_three(
    answers: list[tuple[Known, CitedAnswer]],
) -> None:
    right = [
        known.file in {Path(source.uri).name for source in found.sources}
        for known, found in answers
    ]
    assert sum(right) / len(right) >= 0.9


def test_what_is_cited_of_it_says_the_answer(answers: list[tuple[Known, CitedAnswer]]) -> None:
    said = [
        any(
            known.words.lower() in each.hit.text.lower()
            for source in found.sources
            if Path(source.uri).name == known.file
            for each in source.evidence
        )
        for known, found in answers
    ]
    assert sum(said) / len(said) >= 0.9
