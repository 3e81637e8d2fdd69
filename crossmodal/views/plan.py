"""Write a plan for people: what would be done, how much of it, and how long it would take."""

from __future__ import annotations

from typing import Any

from crossmodal.views.human import counted, human_bytes, human_seconds, markdown_cell
from crossmodal.views.text_table import TextTable


def preview_text(shown: dict[str, Any]) -> str:
    """Return the preview that ``planning.preview`` made as lines and a table."""
    return "\n".join(_lines(shown)) + "\n\n" + _first_rows(shown).to_text()


def preview_markdown(shown: dict[str, Any]) -> str:
    """Return the same for a Prefect artifact."""
    table = _first_rows(shown)
    bullets = "\n".join(f"- {markdown_cell(line, 1000)}" for line in _lines(shown))
    return f"{bullets}\n\n### {table.title}\n\n{table.to_markdown()}\n"


def _lines(shown: dict[str, Any]) -> list[str]:
    counts = ", ".join(f"{count:,} {action}" for action, count in shown["counts"].items())
    return [
        f"plan: {counts or 'no source found'}",
        f"to embed: {counted(shown['num_to_embed'], 'file')}, "
        f"{human_bytes(shown['bytes_to_embed'])}, with {shown['model']}",
        f"would take: {_eta(shown)}",
        *(f"deletion withheld: {sentence}" for sentence in shown["withheld"]),
        *shown.get("notes", ()),
    ]


def _first_rows(shown: dict[str, Any]) -> TextTable:
    rows = [
        (r["action"], r["reason"], r["uri"], human_bytes(r["size_bytes"])) for r in shown["plan"]
    ]
    title = f"the first {len(rows):,}" if rows else "nothing to do"
    return TextTable(title, ("action", "reason", "source", "size"), rows, num_words=3)


def _eta(shown: dict[str, Any]) -> str:
    if shown["num_to_embed"] == 0:
        return "no time to embed"
    if shown["eta_s"] is None:
        return "unknown: no earlier run with this model version to judge by"
    return f"about {human_seconds(shown['eta_s'])} to load and embed, at the speed of the last run"
