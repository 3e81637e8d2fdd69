"""Say what was learned, for people and for programs."""

from __future__ import annotations

from typing import Any

from crossmodal.records import ModelVersion
from crossmodal.spaces.fusing import FUSION
from crossmodal.training.spec import Prepared, Tuned
from crossmodal.training.sweep import Swept


def told(
    prepared: Prepared, tuned: Tuned, version: ModelVersion, same_top: float | None
) -> dict[str, Any]:
    """Return the figures, and ``text`` for a person."""
    report = tuned.to_dict() | {
        "id": version.id,
        "name": version.name,
        "label": version.label,
        "parent": prepared.parent.label,
        "counts": prepared.counts,
        "problems": prepared.problems,
        "data_digest": prepared.data_digest,
        "same_top": same_top,
    }
    return report | {"text": "\n".join(_lines(prepared, tuned, version, same_top))}


def _lines(
    prepared: Prepared, tuned: Tuned, version: ModelVersion, same_top: float | None
) -> list[str]:
    counts, base, best = prepared.counts, tuned.base, tuned.best
    lines = [
        f"{version.label} (number {version.id}): {_what(version)} {prepared.parent.label}",
        f"learned from {counts['train']:,} pictures, decided by {counts['dev']:,}; best after "
        f"epoch {tuned.best_epoch} of {len(tuned.epochs)}, taken {tuned.share:.0%} of the way",
        f"held out:  recall@1 {base.dev.at_1:.3f} -> {best.dev.at_1:.3f}, "
        f"recall@10 {base.dev.at_10:.3f} -> {best.dev.at_10:.3f}",
    ]
    if prepared.keep:
        lines.append(
            f"kept:      recall@1 {base.kept.at_1:.3f} -> {best.kept.at_1:.3f}, "
            f"recall@10 {base.kept.at_10:.3f} -> {best.kept.at_10:.3f}"
        )
    if same_top is not None:
        lines.append(f"elsewhere: {same_top:.0%} of the first ten pictures of 500 probes stay")
    if counts["hard"]:
        lines.append(f"against:   {counts['hard']:,} pictures that were shown and left")
    lines += [f"left out:  {num:,} {what}" for what, num in prepared.problems.items()]
    lines += ["", "share of the way   held out @1   @10     kept @1"]
    lines += [_step(step, kept=prepared.keep is not None) for step in tuned.steps]
    return [*lines, "", *_next(version)]


def _what(version: ModelVersion) -> str:
    if version.derived:
        return "a fusion on" if version.derived.kind == FUSION else "an adapter on"
    return "a model trained from"


def _next(version: ModelVersion) -> list[str]:
    """Return what to do with it."""
    if version.derived:
        return [
            f"now: crossmodal evaluate SET --model {version.name} --against live, then "
            f"crossmodal promote {version.name} --gate SET"
        ]
    return [
        f"written to {version.name}",
        f"now: crossmodal backfill PATH... --model {version.name}, then crossmodal evaluate SET "
        f"--model {version.label} --against live, then crossmodal promote {version.label} "
        "--gate SET",
    ]


def _step(step: Swept, *, kept: bool) -> str:
    last = f"{step.kept.at_1:.3f}" if kept else "-"
    return f"{step.share:16.2f}   {step.dev.at_1:11.3f}   {step.dev.at_10:.3f}   {last}"
