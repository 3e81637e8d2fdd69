"""Lay findings and audits out for a terminal; no name or text moves a cursor there."""

from __future__ import annotations

from collections.abc import Sequence

from crossmodal.ledger.read.findings import Finding
from crossmodal.moderation.audit import Audit
from crossmodal.views.human import counted, printable
from crossmodal.views.text_table import TextTable


def findings_table(found: Sequence[Finding]) -> TextTable:
    """Return a table of findings."""
    header = ("no", "policy", "state", "where", "nearest", "score")
    rows = [
        (
            f"{f.finding_id}{'!' if f.is_first else ''}",
            f.policy_id,
            f.state + (f", appeal {f.appeal}" if f.appeal else ""),
            where(f),
            nearest(f),
            f"{f.score:.2f}",
        )
        for f in found
    ]
    return TextTable("Findings (! urgent)", header, rows, num_words=5)


def finding_text(finding: Finding) -> str:
    """Return all that a person needs to decide, in a few lines."""
    thresholds = finding.evidence["thresholds"]
    held = f", held by {finding.holder}" if finding.holder else ""
    lines = [
        f"finding {finding.finding_id}: {finding.state}{held}"
        + (f", appeal {finding.appeal}" if finding.appeal else "")
        + (", hidden" if finding.is_hidden else ""),
        f"policy: {finding.policy_title} ({finding.policy_id}, version {finding.policy_version}, "
        f"severity {finding.severity})",
        f"where: {where(finding)}",
        f"words: {finding.evidence.get('text') or '-'}",
        f"nearest: {nearest(finding)}",
        f"score: {finding.score:.2f}, review from {thresholds['review']:.2f}, urgent from "
        f"{thresholds['first']:.2f} (thresholds by {thresholds['by']})",
        f"model: {finding.evidence['model']}, run {finding.run_id}",
        *judge_lines(finding),
    ]
    return "\n".join(printable(line) for line in lines)


def judge_lines(finding: Finding) -> list[str]:
    """Return what a judge said of it, if any did."""
    said = finding.evidence.get("judge")
    if not said:
        return []
    view = f"{said['violates']:.0%} that it violates" if said.get("violates") is not None else "-"
    return [f"judge: {view} ({said['model']})"]


def where(finding: Finding) -> str:
    """Return the source and the place in it."""
    place = finding.evidence.get("place")
    return finding.uri + (f" ({place})" if place else "")


def nearest(finding: Finding) -> str:
    """Return the sentence and the example that are nearest, of those that violate the policy."""
    near = (finding.evidence.get(f"{channel}_violates") for channel in ("sentence", "example"))
    return "; ".join(f"{n['shown']} {n['cosine']:.3f}" for n in near if n)


def audit_text(audit: Audit) -> str:
    """Return in a few lines whether the log holds."""
    gone = f", {audit.num_gone:,} on what is gone by now" if audit.num_gone else ""
    told = (
        f"{counted(audit.num_events, 'entry', 'entries')}, "
        f"{counted(audit.num_decisions, 'decision')}, of which "
        f"{audit.num_reproduced:,} came out again{gone}"
    )
    verdict = "the log holds" if audit.holds else "THE LOG DOES NOT HOLD"
    return "\n".join([told, *map(printable, audit.problems), verdict])
