"""Say in words and figures what the clients of ``serve_load`` saw."""

from __future__ import annotations

import json
import os
import platform
import time
from importlib.metadata import version
from typing import Any

import numpy as np


def summary(seconds: list[float]) -> dict[str, Any]:
    """Return what a person wants to know of many times."""
    if not seconds:
        return {"num": 0}
    ms = np.sort(np.asarray(seconds)) * 1000
    return {
        "num": len(ms),
        "p50_ms": round(float(np.percentile(ms, 50)), 1),
        "p95_ms": round(float(np.percentile(ms, 95)), 1),
        "p99_ms": round(float(np.percentile(ms, 99)), 1),
        "max_ms": round(float(ms[-1]), 1),
    }


def conditions(**about: Any) -> dict[str, Any]:
    """Return under which conditions the figures came about."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cores": os.cpu_count(),
        "load_before": [round(value, 1) for value in os.getloadavg()],
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("duckdb", "fastapi", "uvicorn", "torch")},
        **about,
    }


def markdown(report: dict[str, Any]) -> str:
    """Return the report for people."""
    rows = [("all", report["all"]), *report["by_kind"].items()]
    lines = [
        "# Fifty clients on the search page while index runs commit",
        "",
        f"{json.dumps(report['conditions'])}",
        "",
        f"{report['requests_per_s']} requests/s, {report['num_errors']} errors; "
        f"the run beside them committed {report['chunks_committed']} chunks in the meantime, "
        f"{report['conditions']['shard']} at a time.",
        "",
        "| asked for | number | p50 ms | p95 ms | p99 ms | max ms |",
        "|---|---|---|---|---|---|",
        *(
            f"| {kind} | {s['num']} | {s.get('p50_ms')} | {s.get('p95_ms')} | {s.get('p99_ms')} "
            f"| {s.get('max_ms')} |"
            for kind, s in rows
        ),
    ]
    return "\n".join(lines) + "\n"
