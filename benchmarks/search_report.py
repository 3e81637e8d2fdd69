"""Hold and write the figures of the search benchmark."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

OURS = "crossmodal: ids and scores"
IN_A_ROW = 10


@dataclass
class Row:
    """Hold one method's figures."""

    method: str
    recall: float = 0.0
    recall_foreign: float = 0.0
    build_s: float = 0.0
    size_mb: float = 0.0
    effort: float | str = 0
    times_ms: list[float] = field(default_factory=list)
    """Of queries of which ten came in a row."""
    alone_ms: list[float] = field(default_factory=list)
    """Of queries between which every other method had its turn."""

    @property
    def p50_ms(self) -> float:
        """Return the median latency in a row."""
        return float(np.median(self.times_ms))

    @property
    def p95_ms(self) -> float:
        """Return the latency that 95 % stay below in a row."""
        return float(np.percentile(self.times_ms, 95))

    @property
    def alone_p50_ms(self) -> float:
        """Return the median latency of single queries."""
        return float(np.median(self.alone_ms))

    def figures(self) -> dict[str, Any]:
        """Return what a report keeps."""
        figures = {k: v for k, v in asdict(self).items() if k not in ("times_ms", "alone_ms")}
        return figures | {k: getattr(self, k) for k in ("p50_ms", "p95_ms", "alone_p50_ms")}


def write(base: Path, facts: dict[str, Any], rows: list[Row], text: str) -> None:
    """Write BASE.json and BASE.md."""
    base.parent.mkdir(parents=True, exist_ok=True)
    report = {"facts": facts, "rows": [row.figures() for row in rows]}
    Path(f"{base}.json").write_text(json.dumps(report, indent=1) + "\n")
    Path(f"{base}.md").write_text(text)


def markdown(num: int, dim: int, facts: dict[str, Any], rows: list[Row]) -> str:
    """Return a table, the quickest method first, and the facts."""
    ours = next(row for row in rows if row.method == OURS)
    lines = [
        f"# Search of {num:,} x {dim}",
        "",
        f"{time.strftime('%Y-%m-%d')}. Single queries, warm: {IN_A_ROW} of a method in a row, and "
        "one at a time. Recall@10 against exact search, of queries like the vectors / from another "
        "modality's cone.",
        "",
        "| method | effort | p50 ms | p95 ms | p50 / ours | one at a time | / ours | recall "
        "| build s | MB |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [_line(row, ours) for row in sorted(rows, key=lambda row: row.p50_ms)]
    lines += ["", *(f"- {name}: {value}" for name, value in facts.items()), ""]
    return "\n".join(lines)


def _line(row: Row, ours: Row) -> str:
    recall = f"{row.recall:.3f} / {row.recall_foreign:.3f}" if row.recall else "-"
    return (
        f"| {row.method} | {row.effort or '-'} | {row.p50_ms:.2f} | {row.p95_ms:.2f} | "
        f"{row.p50_ms / ours.p50_ms:.2f} | {row.alone_p50_ms:.2f} | "
        f"{row.alone_p50_ms / ours.alone_p50_ms:.2f} | {recall} | {row.build_s:.1f} | "
        f"{row.size_mb:.0f} |"
    )
