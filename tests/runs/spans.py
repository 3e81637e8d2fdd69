"""Build spans by hand."""

from __future__ import annotations

from typing import Any

from crossmodal.records import Span


def span(stage: str, operator: str, start_s: float, wall_s: float, **more: Any) -> Span:
    return Span(
        stage=stage,
        operator=operator,
        started_s=1000.0 + start_s,
        wall_s=wall_s,
        worker=more.pop("worker", "main"),
        **more,
    )


def model_bound_run() -> list[Span]:
    """Return 20 s: 2 s of discovery, 16 s of embedding, 2 s of storing, 100 items of 1 kB."""
    counted = {"num_items": 50, "num_bytes": 50_000}
    return [
        span("discover", "", 0, 2, num_items=100),
        span("embed", "", 2, 8, **counted),
        span("embed", "", 11, 8, **counted),
        *(span("embed", "decode", 2 + 2 * i, 1, num_items=25, worker="a") for i in range(4)),
        *(span("embed", "forward", 2 + i, 0.9, num_items=12, worker="b") for i in range(8)),
        *(span("embed", "forward", 11 + i, 0.9, num_items=12, worker="b") for i in range(8)),
        span("store", "", 10, 1, num_items=50),
        span("store", "", 19, 1, num_items=50),
    ]
