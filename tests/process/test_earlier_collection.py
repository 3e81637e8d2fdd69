"""A collection that earlier code made opens, is searched, and has nothing left to embed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ledger.earlier_files import unpack
from tests.shell import Shell

pytestmark = pytest.mark.process

NUM_FILES = 6


@pytest.fixture(scope="module")
def earlier(
    session_shell: Callable[[str], Shell], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Shell, Path, Path]:
    """Return a shell on the collection, the model that it names, and its files."""
    collection, model, files = unpack(tmp_path_factory.mktemp("earlier"))
    return Shell(collection, session_shell("any").environment), model, files


def test_rerun_on_an_earlier_collection_knows_its_model_and_embeds_nothing(
    earlier: tuple[Shell, Path, Path],
) -> None:
    shell, model, files = earlier
    report = shell.json("index", files, "--model", model)
    assert report["counts"] == {"unchanged": NUM_FILES}
    assert report["num_embedded"] == 0


def test_earlier_collection_is_searched_by_picture(earlier: tuple[Shell, Path, Path]) -> None:
    shell, _, files = earlier
    picture = files / "square1.ppm"
    [answer] = shell.json("search", "--image", picture, "--modality", "image")
    assert answer["hits"][0]["uri"] == str(picture)
    assert len(answer["hits"]) == 3
