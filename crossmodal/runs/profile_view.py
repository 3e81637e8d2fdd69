"""Lay out profiles and comparisons as tables, for a terminal and for Markdown.

Owns columns and their order, once for both forms; refuses to compute (``profile``).
"""

from __future__ import annotations

from crossmodal.runs.profile import OperatorProfile, Profile, Ratio, StageProfile
from crossmodal.views.human import human_bytes, human_rate, human_seconds, percent
from crossmodal.views.text_table import TextTable

# Shares that do not add up by less than this are rounding, not a finding.
_LEAST_REMAINDER = 0.01


def profile_table(profile: Profile) -> TextTable:
    """Return one row a stage, each followed by its operators."""
    rows: list[list[str]] = []
    for stage in profile.stages:
        rows.append(_stage_row(stage))
        rows += [_operator_row(operator) for operator in stage.operators]
    remainder = profile.between_s / profile.wall_s if profile.wall_s else 0.0
    if profile.stages and remainder > _LEAST_REMAINDER:
        spent = human_seconds(profile.between_s)
        rows.append(["(between stages)", spent, percent(remainder), "", "", "", ""])
    header = ("stage", "time", "share", "items", "items/s", "bytes/s", "calls")
    title = f"{human_seconds(profile.wall_s)} on {profile.num_cores} cores"
    return TextTable(title, header, rows)


def comparison_table(ratios: list[Ratio]) -> TextTable:
    """Return one row a stage or operator: this run, the earlier one, and the speed-up."""
    header = ("stage", "time", "earlier", "items/s", "earlier items/s", "speed-up")
    return TextTable(
        "compared with the earlier run", header, [_ratio_row(ratio) for ratio in ratios]
    )


def _stage_row(stage: StageProfile) -> list[str]:
    return [
        stage.name,
        human_seconds(stage.wall_s),
        percent(stage.share),
        *_amounts(stage),
        "",
    ]


def _operator_row(operator: OperatorProfile) -> list[str]:
    return [
        f"· {operator.name}",
        human_seconds(operator.busy_s),
        f"busy {percent(operator.utilisation)}",
        *_amounts(operator),
        f"{operator.num_calls:,}",
    ]


def _amounts(row: StageProfile | OperatorProfile) -> list[str]:
    items = f"{row.num_items:,}" if row.num_items else ""
    rate = human_rate(row.items_per_s) if row.num_items else ""
    volume = f"{human_bytes(row.bytes_per_s)}/s" if row.bytes_per_s else ""
    return [items, rate, volume]


def _ratio_row(ratio: Ratio) -> list[str]:
    return [
        f"· {ratio.operator}" if ratio.operator else ratio.stage,
        _seconds_cell(ratio.seconds),
        _seconds_cell(ratio.earlier_seconds),
        human_rate(ratio.items_per_s),
        human_rate(ratio.earlier_items_per_s),
        "-" if ratio.speedup is None else f"{ratio.speedup:.2f} x",
    ]


def _seconds_cell(seconds: float | None) -> str:
    return "-" if seconds is None else human_seconds(seconds)
