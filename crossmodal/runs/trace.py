"""Write the spans of a run as a trace that Perfetto and Chrome's tracing page open.

Owns the trace event format: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
Stages get a track of their own above the threads, since a stage spans what several threads did.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from crossmodal.errors import PathError
from crossmodal.records import Span

_PID = 1
_STAGE_TRACK = "stages"


def write_trace(spans: list[Span], out: Path) -> None:
    """Write the trace in one step: the file is whole or not there.

    Raises:
        PathError: The file cannot be written.
    """
    document = {"traceEvents": trace_events(spans), "displayTimeUnit": "ms"}
    part = out.parent / f".{out.name}.{os.getpid()}.part"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(document), encoding="utf-8")
        part.replace(out)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise PathError(f"cannot write the trace to {out}: {error.strerror or error}") from error


def trace_events(spans: list[Span]) -> list[dict[str, Any]]:
    """Return the events: names of tracks first, then one a span, times in µs from the start."""
    first_s = min((span.started_s for span in spans), default=0.0)
    tracks = {_STAGE_TRACK: 0}
    for span in spans:
        tracks.setdefault(_track(span), len(tracks))
    return [
        _name_event("process_name", "crossmodal", 0),
        *(_name_event("thread_name", name, number) for name, number in tracks.items()),
        *(_span_event(span, tracks[_track(span)], first_s) for span in spans),
    ]


def _track(span: Span) -> str:
    return span.worker if span.operator else _STAGE_TRACK


def _name_event(kind: str, name: str, track: int) -> dict[str, Any]:
    return {"ph": "M", "name": kind, "pid": _PID, "tid": track, "args": {"name": name}}


def _span_event(span: Span, track: int, first_s: float) -> dict[str, Any]:
    return {
        "ph": "X",
        "name": span.operator or span.stage,
        "cat": span.stage,
        "pid": _PID,
        "tid": track,
        "ts": round((span.started_s - first_s) * 1e6, 1),
        "dur": round(span.wall_s * 1e6, 1),
        "args": {"items": span.num_items, "bytes": span.num_bytes},
    }
