"""Write a plan for people: what would be done, how much of it, and how long it would take."""

from __future__ import annotations

from typing import Any

from tasks.grid import Grid
from tasks.plain import human_bytes, human_seconds


def preview_text(shown: dict[str, Any]) -> str:
    """Return the preview that ``planning.preview`` made as lines and a table."""
    counts = ", ".join(f"{count:,} {action}" for action, count in shown["counts"].items())
    lines = [
        f"plan: {counts or 'no source found'}",
        f"to embed: {shown['num_to_embed']:,} files, {human_bytes(shown['bytes_to_embed'])}, "
        f"with {shown['model']}",
        f"would take: {_eta(shown)}",
        *(f"deletion withheld: {sentence}" for sentence in shown["withheld"]),
    ]
    rows = [
        (r["action"], r["reason"], r["uri"], human_bytes(r["size_bytes"])) for r in shown["plan"]
    ]
    title = f"the first {len(rows):,}" if rows else "nothing to do"
    grid = Grid(title, ("action", "reason", "source", "size"), rows, num_words=3)
    return "\n".join(lines) + "\n\n" + grid.to_text()


def _eta(shown: dict[str, Any]) -> str:
    if shown["num_to_embed"] == 0:
        return "no time to embed"
    if shown["eta_s"] is None:
        return "unknown: no earlier run with this model version to judge by"
    return f"about {human_seconds(shown['eta_s'])} to embed, at the speed of the last run"
