"""A rerun with nothing to do costs nothing: no forward pass, no model, no torch."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.drawn import draw_pictures
from tests.shell import Shell

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def indexed(
    session_shell: Callable[[str], Shell],
    tiny_clip: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Shell, list[Path]]:
    """Return a shell on a collection of twelve pictures, and the pictures.

    Each test leaves the collection in step with the files, so that they come in any order.
    """
    pictures = draw_pictures(tmp_path_factory.mktemp("noop") / "pictures", 12)
    shell = session_shell("noop")
    shell.run("index", pictures[0].parent, "--model", tiny_clip)
    return shell, pictures


def test_noop_rerun_embeds_nothing_and_never_imports_torch(
    indexed: tuple[Shell, list[Path]], tiny_clip: Path
) -> None:
    shell, pictures = indexed
    watched = Shell(shell.collection, shell.environment | {"PYTHONPROFILEIMPORTTIME": "1"})
    rerun = watched.run("index", pictures[0].parent, "--model", tiny_clip, "--json")
    imported = {line.rsplit("|", 1)[-1].strip() for line in rerun.stderr.splitlines()}
    assert "prefect" in imported
    assert not imported & {"torch", "transformers", "daft"}
    assert '"num_embedded": 0' in rerun.stdout


def test_changing_one_of_many_files_embeds_exactly_one(indexed: tuple[Shell, list[Path]]) -> None:
    shell, (first, second, *_) = indexed
    first.write_bytes(second.read_bytes() + b"\0")
    report = shell.json("index", first.parent)
    assert report["num_embedded"] == 1
    assert report["counts"]["changed"] == 1


def test_touched_file_is_not_embedded_again(indexed: tuple[Shell, list[Path]]) -> None:
    shell, pictures = indexed
    os.utime(pictures[2], (1, 1))
    report = shell.json("index", pictures[0].parent)
    assert report["num_embedded"] == 0
    assert report["counts"] == {"unchanged": 12}
