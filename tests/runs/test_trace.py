"""The trace is what Perfetto's JSON importer expects."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crossmodal.errors import PathError
from crossmodal.runs.trace import write_trace
from tests.runs.spans import model_bound_run, span


def test_every_span_becomes_an_event_in_microseconds_from_the_start(tmp_path: Path) -> None:
    out = tmp_path / "new" / "trace.json"
    spans = model_bound_run()
    write_trace(spans, out)
    events = json.loads(out.read_text())["traceEvents"]
    timed = [event for event in events if event["ph"] == "X"]
    assert len(timed) == len(spans)
    assert timed[1] == {
        "ph": "X",
        "name": "embed",
        "cat": "embed",
        "pid": 1,
        "tid": 0,
        "ts": 2_000_000,
        "dur": 8_000_000,
        "args": {"items": 50, "bytes": 50_000},
    }


def test_stages_and_threads_have_named_tracks(tmp_path: Path) -> None:
    out = tmp_path / "trace.json"
    write_trace(model_bound_run(), out)
    events = json.loads(out.read_text())["traceEvents"]
    names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    assert names == {0: "stages", 1: "a", 2: "b"}
    tracks = {e["name"]: e["tid"] for e in events if e["ph"] == "X"}
    assert tracks == {"discover": 0, "embed": 0, "store": 0, "decode": 1, "forward": 2}


def test_run_without_spans_gives_an_empty_trace(tmp_path: Path) -> None:
    out = tmp_path / "trace.json"
    write_trace([], out)
    assert [e for e in json.loads(out.read_text())["traceEvents"] if e["ph"] == "X"] == []


@pytest.mark.parametrize("name", ["folder", "file/trace.json"])
def test_place_that_cannot_be_written_is_named_and_nothing_is_left(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(PathError, match=f"cannot write the trace to .*{name}"):
        write_trace([span("embed", "", 0, 1)], tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]
