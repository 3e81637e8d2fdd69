"""Fixtures of the tests on a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.scale.cluster import LocalCluster, local_cluster


@pytest.fixture(scope="session")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """Start one cluster for the session; a worker that a test kills is replaced by Daft."""
    with local_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared_cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> LocalCluster:
    """Return the session's cluster, which RAY_ADDRESS names."""
    monkeypatch.setenv("RAY_ADDRESS", shared_cluster.address)
    return shared_cluster
