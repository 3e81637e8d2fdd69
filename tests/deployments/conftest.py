"""Deploy to the session's one Prefect server, each test under a name of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.target import Target, make_target


@pytest.fixture
def client(prefect_server: str) -> Iterator[SyncPrefectClient]:
    """Point Prefect at the test server and return a client of it."""
    with (
        temporary_settings({PREFECT_API_URL: prefect_server}),
        get_client(sync_client=True) as client,
    ):
        yield client


@pytest.fixture
def target(tmp_path: Path, tiny_clip: Path) -> Target:
    """Return a collection of this test's own with two paths and the tiny model."""
    paths = [str(tmp_path / "pictures"), "s3://bucket/photos"]
    collection = str(tmp_path / f"{tmp_path.name}.duckdb")
    return make_target(paths, collection, str(tiny_clip), None, "crossmodal")
