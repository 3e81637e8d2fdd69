"""A finished run is one trace at a collector, with the times of the ledger."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import runs
from crossmodal.runs import otel
from crossmodal.runs.options import RunOptions
from crossmodal.runs.run import Run, recorded

pytest.importorskip("opentelemetry.exporter.otlp.proto.http")

VARIABLE = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"


@pytest.fixture
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """Return the address of a stub and what it was sent."""
    bodies: list[bytes] = []

    class Stub(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Stub) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", bodies
        server.shutdown()
        serving.join()


def worked(path: Path) -> Run:
    run = Run(Collection(path), "index", RunOptions(quiet=True))
    with recorded(run, {}):
        for stage in ("plan", "embed", "embed", "store"):
            with run.recorder.span(stage) as span:
                span.num_items = 3
                time.sleep(0.01)
        with run.recorder.span("embed", "forward"):
            time.sleep(0.002)
    return run


def test_a_run_is_one_trace_with_the_stored_times(
    collector: tuple[str, list[bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    address, bodies = collector
    monkeypatch.setenv(VARIABLE, address)
    run = worked(tmp_path / "c.duckdb")
    sent = [ExportTraceServiceRequest.FromString(body) for body in bodies]
    found = [
        span
        for request in sent
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    assert len({span.trace_id for span in found}) == 1
    with run.collection.read() as con:
        stored = runs.spans(con, run.id)
    took = sorted(
        (span.name, (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9)
        for span in found
        if span.parent_span_id
    )
    expected = sorted(
        (f"{s.stage}: {s.operator}" if s.operator else s.stage, s.wall_s) for s in stored
    )
    assert [name for name, _ in took] == [name for name, _ in expected]
    assert [s for _, s in took] == pytest.approx([s for _, s in expected], rel=1e-6)
    whole = next(span for span in found if not span.parent_span_id)
    assert {a.key: a.value.string_value for a in whole.attributes}["crossmodal.run_id"] == run.id


def test_a_dead_endpoint_costs_nothing_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(VARIABLE, "http://secret:word@127.0.0.1:9/v1/traces")
    run = worked(tmp_path / "c.duckdb")
    with run.collection.read() as con:
        assert runs.run(con, run.id).state == "completed"
    assert "no collector answers at http://127.0.0.1" in caplog.text
    assert "word" not in caplog.text


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({}, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:4318"}, "http://a:4318"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_SDK_DISABLED": "true"}, ""),
    ],
)
def test_it_is_off_unless_an_endpoint_is_named(environment: dict[str, str], place: str) -> None:
    assert otel.endpoint(environment) == place


def test_nothing_is_imported_while_it_is_off() -> None:
    code = "import sys, crossmodal.runs.run; print('opentelemetry' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
