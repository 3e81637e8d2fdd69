"""A run's log on the server has a line for every stage, with what it found."""

from __future__ import annotations

from pathlib import Path

from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_LOGGING_LEVEL,
    PREFECT_LOGGING_TO_API_ENABLED,
    temporary_settings,
)

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import runs
from flows.index import index
from tests.api import Api
from tests.waiting import PATIENCE_S, eventually


def test_every_stage_says_in_the_log_what_it_found(
    prefect_server: str, tmp_path: Path, pictures: Path, tiny_clip: Path
) -> None:
    (pictures / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    collection = tmp_path / "told.duckdb"
    told = {
        PREFECT_API_URL: prefect_server,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
        PREFECT_LOGGING_TO_API_ENABLED: True,
        PREFECT_LOGGING_LEVEL: "INFO",
    }
    with temporary_settings(told):
        index(
            collection=str(collection),
            paths=[str(pictures)],
            model=str(tiny_clip),
            min_coverage=0.5,
            batch_size=4,
        )
    with Collection(collection).read() as con:
        flow_run_id = runs.list_runs(con, 1)[0].flow_run_id
    wanted = {"logs": {"flow_run_id": {"any_": [flow_run_id]}}}

    def lines() -> str | None:
        found = Api(prefect_server).post("/logs/filter", wanted)
        text = "\n".join(line["message"] for line in found)
        return text if "embedded 12 of 13" in text else None

    text = eventually(lines, PATIENCE_S, "the report's line in the log")
    assert "discover: 13 files found" in text
    assert "plan: 13 files to embed (13 added)" in text
    assert "embedding with tiny-clip@" in text
    assert "batch size 4" in text
    assert "shard 1 of 1: 13 sources, 12 chunks embedded, refused: 1 truncated in" in text
    assert "refused: 1 truncated" in text
    assert "verify: no problem found" in text

    tags = Api(prefect_server).get(f"/flow_runs/{flow_run_id}")["tags"]
    assert tags[0] == "collection:told"
    assert tags[1].startswith("model:tiny-clip@")
