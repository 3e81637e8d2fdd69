"""Fixtures of the storage room: an empty collection, and one inside an open transaction."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions, runs
from crossmodal.records import ModelVersion
from tests.ledger import build


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    return Collection(tmp_path / "c.duckdb", lock_timeout_s=60)


@pytest.fixture
def con(collection: Collection) -> Iterator[Any]:
    with collection.write() as connection:
        yield connection


@pytest.fixture
def model(con: Any) -> ModelVersion:
    """Return a registered version of four dimensions, with which the run ``run`` works."""
    version = model_versions.register(con, build.version())
    runs.start_run(
        con,
        runs.RunStart(
            run_id="run", flow="index", params={}, code_version="0", model_version_id=version.id
        ),
    )
    return version
