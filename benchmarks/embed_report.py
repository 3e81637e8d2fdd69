"""Lay out what the embedding benchmark found, with the conditions that it was found under."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

from benchmarks import embed_libraries

_READING = """The limits are measured alone and for a second or two, each from a standstill, the
pipeline in one go: a share of the limit above 1 says that it is reached, not that it is beaten."""

LEFT_OUT = {
    name: lacking
    for name in embed_libraries.LIBRARIES
    if (lacking := embed_libraries.missing(name))
}
LIBRARIES = tuple(name for name in embed_libraries.LIBRARIES if name not in LEFT_OUT)


def conditions(model: Path) -> dict[str, Any]:
    """Return what the figures depend on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.partition(":")[2].strip() for line in lines if "model name" in line), "")
    flags = next((line for line in lines if line.startswith("flags")), "")
    names = ("torch", "transformers", "daft", "pillow", "numpy", "pyarrow", *LIBRARIES)
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cpu": cpu or platform.processor(),
        "cores": os.cpu_count(),
        "amx_bf16": "amx_bf16" in flags,
        "load_at_start": [round(value, 1) for value in os.getloadavg()],
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in names},
        "left_out": {name: f"no module {lacking[0]}" for name, lacking in LEFT_OUT.items()},
        "model": json.loads((model / "config.json").read_text())["model_type"] + ", ViT-B/16, 224",
    }


def as_markdown(report: dict[str, Any]) -> str:
    """Return the report as a page."""
    tables = "\n\n".join(_table(name, found) for name, found in report["sets"].items())
    by_batch = "\n".join(f"- {way}: {figures}" for way, figures in report["model_by_batch"].items())
    alone = f"## The model alone\n\n{by_batch}\n\n" if by_batch else ""
    told = json.dumps(report["conditions"])
    return f"# From file to vector\n\n{told}\n\n{_READING}\n\n{alone}{tables}\n"


def _table(name: str, found: dict[str, Any]) -> str:
    columns = ("images_per_s", "cpu_ms", "peak_rss_mb", "cosine_mean", "cosine_min", "recall_at_10")
    load = " before, ".join(str(value) for value in found["load_before_and_after"])
    lines = [
        f"## {name} ({found['num_images']} pictures; load {load} after)\n",
        f"| | {' | '.join(columns)} |",
    ]
    lines.append(f"|{'---|' * (len(columns) + 1)}")
    for row, figures in found["rows"].items():
        lines.append(f"| {row} | {' | '.join(str(figures.get(c, '')) for c in columns)} |")
    for other, ratio in found["times_faster"].items():
        lines.append(
            f"\nAgainst {other}: {ratio['by_clock']} times as fast by the clock "
            f"(rounds {ratio['by_clock_rounds']}), {ratio['by_cpu']} times by processor time."
        )
    limit = found["of_the_limit"]
    lines.append(
        f"\nOf 1/(1/model + 1/decode): {limit['by_clock']} by the clock, {limit['by_cpu']} by "
        "processor time."
    )
    return "\n".join(lines)
