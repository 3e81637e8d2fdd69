"""Run flows in this process against the session's one Prefect server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_LOGGING_TO_API_ENABLED,
    temporary_settings,
)


def pointed_at(server: str) -> AbstractContextManager[None]:
    """Point Prefect at the test server; heartbeats off, since each would cost a second."""
    return temporary_settings(
        {
            PREFECT_API_URL: server,
            PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
            PREFECT_LOGGING_TO_API_ENABLED: False,
        }
    )


@pytest.fixture
def prefect(prefect_server: str) -> Iterator[None]:
    with pointed_at(prefect_server):
        yield
