"""A run of a process worker can be followed in the log of its page while it goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.logs import while_it_goes
from tests.operation.conftest import NUM_PICTURES
from tests.operation.ledger import Ledger
from tests.operation.site import FlowRun, Site
from tests.process.watching import held_up

pytestmark = pytest.mark.operation


def test_stages_and_shards_are_told_of_while_a_workers_run_goes(
    site: Site,
    index: Callable[..., FlowRun],
    ledger: Ledger,
    many_pictures: Path,
    tmp_path: Path,
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 no picture")
    run = index(paths=[str(broken), str(many_pictures)], shard_size=1, batch_size=1)
    shards = NUM_PICTURES + 1
    with held_up(ledger.path, at_least=4):
        text = while_it_goes(site.api, run.id, f"shard 3 of {shards}: 1 source")
    assert f"discover: {shards} files found" in text
    assert f"plan: {shards} files to embed ({shards} added)" in text
    assert "embedding with tiny-clip@" in text
    assert "batch size 1" in text
    run.cancel()
    run.ended()
