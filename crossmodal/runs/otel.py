"""Send a finished run to an OpenTelemetry collector: one trace, a span for each stage and operator.

What is sent is what the ledger has, so both tell the same times. Off unless the standard variables
name an endpoint, and nothing is imported then. A collector that is away, slow or refuses costs a
quarter of a second at most and never a run: its spans are dropped.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from crossmodal.ledger.write.runs import RunRecord
from crossmodal.records import Span

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

_VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_REACH_S = 0.25
_SEND_S = 2.0
_NS = 1_000_000_000
_PORTS = {"http": 80, "https": 443}


def endpoint(environment: Mapping[str, str] = os.environ) -> str:
    """Return where traces are sent; empty where nobody asked for it."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return ""
    return next((environment[name] for name in _VARIABLES if environment.get(name)), "")


def send_run(run: RunRecord, spans: Sequence[Span]) -> str:
    """Send a run with its spans; return why that was not done, or nothing.

    Waits for the collector's answer for two seconds at most.
    """
    place = endpoint()
    if not _is_reached(place):
        return f"no collector answers at {_shown(place)}: the trace of this run was dropped"
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        return "traces need crossmodal[otel]: pip install 'crossmodal[otel]'"
    provider = TracerProvider(
        resource=Resource.create({"service.name": "crossmodal"}), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=_SEND_S)))
    emit(provider.get_tracer("crossmodal"), run, spans)
    sending = threading.Thread(target=provider.shutdown, name="send trace", daemon=True)
    sending.start()
    sending.join(_SEND_S)
    return "" if not sending.is_alive() else f"{_shown(place)} takes too long: trace dropped"


def emit(tracer: Tracer, run: RunRecord, spans: Sequence[Span]) -> None:
    """Make the spans of a run: the run, its stages within it, their operators within these."""
    from opentelemetry.trace import set_span_in_context

    began = min([run.started_at.timestamp(), *(span.started_s for span in spans)])
    finished = run.finished_at.timestamp() if run.finished_at else began
    ended = max([finished, *(span.started_s + span.wall_s for span in spans)])
    whole = tracer.start_span(f"run {run.flow}", start_time=_ns(began), attributes=_of_run(run))
    inside = set_span_in_context(whole)
    for stage in (span for span in spans if not span.operator):
        _made(tracer, stage, stage.stage, inside)
    for part in (span for span in spans if span.operator):
        _made(tracer, part, f"{part.stage}: {part.operator}", inside)
    whole.end(_ns(ended))


def _made(tracer: Tracer, span: Span, name: str, inside: Any) -> None:
    told: dict[str, str | int] = {
        "crossmodal.stage": span.stage,
        "crossmodal.operator": span.operator,
        "crossmodal.items": span.num_items,
        "crossmodal.bytes": span.num_bytes,
        "thread.name": span.worker,
    }
    made = tracer.start_span(name, context=inside, start_time=_ns(span.started_s), attributes=told)
    made.end(_ns(span.started_s) + round(span.wall_s * _NS))


def _of_run(run: RunRecord) -> dict[str, Any]:
    told = {
        "crossmodal.run_id": run.run_id,
        "crossmodal.flow": run.flow,
        "crossmodal.state": run.state,
        "crossmodal.model_version": run.model_version_id,
        "prefect.flow_run.id": run.flow_run_id,
    }
    return {name: value for name, value in told.items() if value is not None}


def _ns(seconds: float) -> int:
    return round(seconds * _NS)


def _is_reached(place: str) -> bool:
    parts = urlsplit(place)
    try:
        address = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 4318)
        with closing(socket.create_connection(address, timeout=_REACH_S)):
            return True
    except (OSError, ValueError):
        return False


def _shown(place: str) -> str:
    """Return an address without what may be secret in it."""
    parts = urlsplit(place)
    return f"{parts.scheme}://{parts.hostname}"
