"""A training that is killed goes on after its last epoch, and ends with the same weights."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.evaluation.conftest import Album

WORK = [sys.executable, "-m", "tests.training.train_work"]


@pytest.mark.slow
def test_killed_training_ends_with_the_weights_of_one_that_was_not(
    album: Album, tmp_path: Path
) -> None:
    collection = shutil.copy(album.collection, tmp_path / "own.duckdb")
    pairs = tmp_path / "pairs.csv"
    with pairs.open("w", newline="") as table:
        rows = [(str(picture), f"number {n}") for n, picture in enumerate(album.pictures)]
        csv.writer(table).writerows([("path", "caption"), *rows])
    command = [*WORK, str(collection), str(pairs)]
    whole = subprocess.run(command, capture_output=True, text=True, check=True)
    told: list[str] = []
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as killed:
        assert killed.stderr is not None
        for line in killed.stderr:
            told += [line] if line.startswith("epoch") else []
            if len(told) == 3:
                killed.kill()
                break
    rest = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(rest.stderr.splitlines()) >= 8, (
        "the epochs before are told again, from what was kept"
    )
    assert rest.stdout == whole.stdout
