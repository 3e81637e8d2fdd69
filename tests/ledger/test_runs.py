from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from crossmodal.errors import CollectionError
from crossmodal.ledger.processes import is_same_process
from crossmodal.ledger.write import runs, shard_writer
from crossmodal.ledger.write.runs import RunStart
from crossmodal.records import ModelVersion
from tests.ledger import build


def start(con: Any, run_id: str, model_version_id: int | None = None) -> None:
    runs.start_run(
        con,
        RunStart(
            run_id=run_id,
            flow="index",
            params={"paths": ["/photos"]},
            code_version="1.2",
            model_version_id=model_version_id,
        ),
    )


def backdate(con: Any, run_id: str, seconds: float) -> None:
    """Let a run have started earlier; all of one transaction start at the same moment."""
    con.execute(
        "UPDATE run SET started_at = started_at - to_seconds(?) WHERE run_id = ?", [seconds, run_id]
    )


def embedded_run(con: Any, run_id: str, model: ModelVersion, num_items: int) -> None:
    start(con, run_id, model.id)
    shard_writer.write_spans(
        con,
        run_id,
        [
            build.span(num_items=num_items, wall_s=2.0),
            build.span(num_items=num_items, wall_s=2.0),
            build.span("embed", "forward", num_items=999, wall_s=0.1),
            build.span("store", num_items=999, wall_s=0.1),
        ],
    )
    runs.finish_run(con, run_id, "completed", {}, "")


def test_a_run_is_told_from_its_start_to_its_end(con: Any) -> None:
    start(con, "abc")
    running = runs.run(con, "abc")
    assert (running.state, running.finished_at, running.wall_s) == ("running", None, None)
    assert (running.flow, running.params, running.pid) == (
        "index",
        {"paths": ["/photos"]},
        os.getpid(),
    )
    backdate(con, "abc", 90)
    runs.set_run_model(con, "abc", 3)
    runs.finish_run(con, "abc", "failed", {"added": 2}, "coverage too low")
    ended = runs.run(con, "abc")
    assert (ended.state, ended.counts) == ("failed", {"added": 2})
    assert ended.message == "coverage too low"
    assert ended.model_version_id == 3
    assert ended.wall_s == pytest.approx(90)
    assert ended.started_at.utcoffset() is not None


def test_a_run_is_found_by_the_start_of_its_id(con: Any) -> None:
    for run_id in ("abc", "abd", "ab"):
        start(con, run_id)
    assert runs.run(con, "abc").run_id == "abc"
    assert runs.run(con, "ab").run_id == "ab"
    with pytest.raises(CollectionError, match="'a' is more than one run"):
        runs.run(con, "a")
    with pytest.raises(CollectionError, match="no run 'x'"):
        runs.run(con, "x")


def test_runs_are_listed_newest_first(con: Any) -> None:
    for age, run_id in enumerate(("new", "middle", "old")):
        start(con, run_id)
        backdate(con, run_id, age)
    assert [run.run_id for run in runs.list_runs(con, 2)] == ["new", "middle"]


def test_a_run_whose_process_is_gone_is_marked_interrupted_by_the_next(con: Any) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for run_id in ("dead", "elsewhere", "mine"):
        start(con, run_id)
    con.execute("UPDATE run SET pid = ? WHERE run_id IN ('dead', 'elsewhere')", [gone.pid])
    con.execute("UPDATE run SET host = 'another-host' WHERE run_id = 'elsewhere'")
    start(con, "next")
    states = {run.run_id: run.state for run in runs.list_runs(con, 10)}
    assert states == {
        "dead": "interrupted",
        "elsewhere": "running",
        "mine": "running",
        "next": "running",
    }
    assert str(gone.pid) in runs.run(con, "dead").message


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="this system has no /proc")
def test_a_number_that_was_handed_on_is_not_the_same_process() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        started = time.time()
        assert is_same_process(process.pid, started)
        assert not is_same_process(process.pid, started - 3600)
    finally:
        process.communicate(b"\n")
    assert not is_same_process(process.pid, started)


def test_throughput_is_that_of_the_embed_stage_in_the_latest_run_that_embedded(
    con: Any, model: ModelVersion
) -> None:
    assert runs.last_throughput(con, None) is None
    embedded_run(con, "older", model, num_items=10)
    embedded_run(con, "newer", model, num_items=50)
    embedded_run(con, "noop", model, num_items=0)
    backdate(con, "older", 60)
    backdate(con, "newer", 30)
    for version in (model.id, None):
        found = runs.last_throughput(con, version)
        assert found is not None
        assert found.seconds(100, 0) == pytest.approx(4.0)
    assert runs.last_throughput(con, 99) is None
