"""A rerun with nothing to do costs nothing: no forward pass, no model, no torch."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.shell import Shell

pytestmark = pytest.mark.process


def test_noop_rerun_embeds_nothing_and_never_imports_torch(
    shell: Callable[..., Shell], tiny_clip: Path, pictures: Path
) -> None:
    collection = shell()
    collection.run("index", pictures, "--model", tiny_clip)
    watched = Shell(
        collection.collection, collection.environment | {"PYTHONPROFILEIMPORTTIME": "1"}
    )
    rerun = watched.run("index", pictures, "--model", tiny_clip, "--json")
    imported = {line.rsplit("|", 1)[-1].strip() for line in rerun.stderr.splitlines()}
    assert "prefect" in imported
    assert not imported & {"torch", "transformers", "daft"}
    assert '"num_embedded": 0' in rerun.stdout


def test_changing_one_of_many_files_embeds_exactly_one(
    shell: Callable[..., Shell], tiny_clip: Path, pictures: Path
) -> None:
    collection = shell()
    collection.run("index", pictures, "--model", tiny_clip)
    first, second = sorted(pictures.iterdir())[:2]
    first.write_bytes(second.read_bytes() + b"\0")
    report = collection.json("index", pictures)
    assert report["num_embedded"] == 1
    assert report["counts"]["changed"] == 1


def test_touched_file_is_not_embedded_again(
    shell: Callable[..., Shell], tiny_clip: Path, pictures: Path
) -> None:
    collection = shell()
    collection.run("index", pictures, "--model", tiny_clip)
    os.utime(sorted(pictures.iterdir())[0], (1, 1))
    assert collection.json("index", pictures)["num_embedded"] == 0
