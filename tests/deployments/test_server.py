"""A restart of the Prefect server forgets nobody's hold on a concurrency limit."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployments.server import running_server
from tests.api import Api
from tests.waiting import free_port

pytestmark = pytest.mark.process


def test_lease_taken_before_a_restart_is_renewed_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a limited run does every few minutes; 410 Gone, and Prefect crashes the run."""
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    port = free_port()
    with running_server(port, tmp_path / "first.log") as server:
        api = Api(server.api_url)
        api.post("/v2/concurrency_limits/", {"name": "one", "limit": 1})
        asked = {"names": ["one"], "slots": 1, "mode": "concurrency", "lease_duration": 300}
        lease = api.post("/v2/concurrency_limits/increment-with-lease", asked)["lease_id"]
    with running_server(port, tmp_path / "second.log") as server:
        renewal = f"/v2/concurrency_limits/leases/{lease}/renew"
        answer = Api(server.api_url).ask("POST", renewal, {"lease_duration": 300})
    assert answer.status_code == 204, answer.text
