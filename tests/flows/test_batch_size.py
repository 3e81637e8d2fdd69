"""The first large run finds a batch size, shows it, and the next run goes by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crossmodal.embedding import batch_choice
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.status import Status, status
from crossmodal.views.status import status_tables
from flows.index import index
from tests.drawn import draw_pictures

pytestmark = pytest.mark.usefixtures("prefect")


def run_index(folder: Path, **changes: Any) -> list[str]:
    """Index the folder's pictures and return the stages that the report shows."""
    pictures, collection = folder / "pictures", folder / "c.duckdb"
    report = index(collection=str(collection), paths=[str(pictures)], **changes)
    assert report["num_embedded"] > 0
    return [stage["name"] for stage in report["profile"]["stages"]]


def read_status(folder: Path) -> Status:
    collection = Collection(folder / "c.duckdb")
    with collection.read() as con:
        return status(con, collection)


def test_only_a_large_run_finds_a_batch_size_and_only_once(
    tmp_path: Path, tiny_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_pictures(tmp_path / "pictures", 4)
    assert "find batch size" not in run_index(tmp_path, model=str(tiny_clip))
    monkeypatch.setattr(batch_choice, "MIN_SOURCES", 8)
    draw_pictures(tmp_path / "pictures", 16)
    assert "find batch size" in run_index(tmp_path)
    [model] = read_status(tmp_path).models
    [found] = model.batch_sizes
    shown = "\n".join(table.to_text() for table in status_tables(read_status(tmp_path)))
    assert "batch sizes found" in shown
    assert found.device in shown
    draw_pictures(tmp_path / "pictures", 32)
    assert "find batch size" not in run_index(tmp_path)
