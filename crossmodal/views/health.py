"""Lay out how sound the vectors are, with small plots of the runs before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from crossmodal.ledger.read.picture_quality import PictureCheck
from crossmodal.ledger.write.health import HealthRow
from crossmodal.views.human import counted
from crossmodal.views.text_table import TextTable

_BARS = "▁▂▃▄▅▆▇█"
_HEADER = ("list", "vectors", "norms", "dead", "cosine", "rank", "equal", "hubs", "drift", "runs")


def health_table(rows: Sequence[HealthRow], labels: Mapping[int, str]) -> TextTable:
    """Return a line for each list, from its latest run, its effective rank run by run as bars.

    ``rows`` are those of ``latest_health``.
    """
    grouped = groupby(rows, key=lambda row: (row.model_version_id, row.modality))
    lines = [_line(labels, list(of_list)) for _, of_list in grouped]
    return TextTable("health of the latest vectors", _HEADER, lines)


def findings_table(rows: Sequence[HealthRow], labels: Mapping[int, str]) -> TextTable:
    """Return a line for each thing that was found wrong."""
    lines = [
        (_name(labels, row), row.run_id[:8], f"{row.measured_at:%Y-%m-%d %H:%M}", finding)
        for row in rows
        for finding in row.findings
    ]
    header = ("list", "run", "measured (UTC)", "what")
    return TextTable(counted(len(lines), "finding"), header, lines, num_words=4)


def pictures_table(found: PictureCheck) -> TextTable:
    """Return a line for each thing that may be wrong with a picture, and what was not measured."""
    lines = [
        (name, f"{issue.count:,}", issue.which, ", ".join(issue.examples))
        for name, issue in found.issues.items()
    ]
    if found.num_not_measured:
        told = "indexed before pictures were measured"
        lines.append(("not measured", f"{found.num_not_measured:,}", told, ""))
    title = f"{counted(found.num_measured, 'picture')} measured"
    return TextTable(title, ("pictures", "", "which", "such as"), lines, num_words=4)


def bars(values: Sequence[float]) -> str:
    """Return values as a row of bars, the largest the highest; oldest first."""
    top = max(values, default=0.0)
    if top <= 0:
        return _BARS[0] * len(values)
    return "".join(_BARS[min(7, max(0, int(value / top * 7.999)))] for value in values)


def _line(labels: Mapping[int, str], rows: list[HealthRow]) -> list[str]:
    told = rows[0].measures
    history = [row.measures["effective_rank"] for row in reversed(rows) if _has_shape(row)]
    return [
        _name(labels, rows[0]),
        f"{told['num_vectors']:,}",
        f"{told['min_norm']:.3f} to {told['max_norm']:.3f}",
        _cell(told, "dead_share", "{:.0%}"),
        _cell(told, "mean_cosine", "{:.3f}"),
        _cell(told, "effective_rank", "{:.0f}"),
        f"{told['num_equal']:,}",
        f"{told['hub_share']:.1%}",
        _cell(told, "auc", "{:.2f}"),
        bars(history),
    ]


def _has_shape(row: HealthRow) -> bool:
    return "effective_rank" in row.measures


def _cell(told: Mapping[str, float], name: str, form: str) -> str:
    return form.format(told[name]) if name in told else "too few"


def _name(labels: Mapping[int, str], row: HealthRow) -> str:
    return f"{row.modality} of {labels.get(row.model_version_id, row.model_version_id)}"
