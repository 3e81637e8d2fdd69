"""Bring a collection's findings in step with its policies: what flow and command share.

read policies -> due jobs -> encode what is new of the policies -> score list by list, each list's
findings committed together with how far it is scored -> withdraw what is gone -> sum up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.findings import finding_counts
from crossmodal.ledger.write.findings import (
    add_findings,
    follow_places,
    num_gone,
    renew_open,
    withdraw_gone,
)
from crossmodal.ledger.write.model_versions import live
from crossmodal.ledger.write.policies import (
    AnchorKey,
    keep_policy,
    keep_score,
    keep_vectors,
    last_score,
)
from crossmodal.moderation.anchors import Known, encode_missing, wanted_by
from crossmodal.moderation.folder import PolicyFolder
from crossmodal.moderation.score import Job, Scored, due_jobs, score_jobs
from crossmodal.records import ModelVersion
from crossmodal.views.human import counted, percent
from crossmodal.views.text_table import TextTable


@dataclass(frozen=True, slots=True)
class Encoded:
    """Hold the jobs that can be done, the vectors they need, and why others cannot."""

    jobs: tuple[Job, ...]
    known: dict[int, Known]
    """By model version."""
    problems: tuple[str, ...] = ()


@dataclass(slots=True)
class Tally:
    """Count what a run did."""

    num_scored: int = 0
    """Chunks times policies."""
    num_new: int = 0
    num_new_first: int = 0
    num_withdrawn: int = 0
    num_judged: int = 0
    problems: list[str] = field(default_factory=list)
    new: list[dict[str, Any]] = field(default_factory=list)
    """New findings by policy and list."""


def plan(collection: Collection, folder: PolicyFolder) -> tuple[Job, ...]:
    """Return what is due.

    Raises:
        CollectionMissing, CollectionEmpty: there is nothing to score.
    """
    with collection.read() as con:
        return tuple(due_jobs(con, collection.path, folder.policies))


def encode(collection: Collection, jobs: Sequence[Job], device: str) -> Encoded:
    """Return the vectors that the jobs need; a policy with a picture that has none is left out."""
    versions: dict[int, ModelVersion] = {}
    wanted: dict[int, list[Any]] = defaultdict(list)
    for job in jobs:
        number = job.held.version.id or 0
        versions[number] = job.held.version
        wanted[number] += wanted_by(job.policy, job.held)
    known: dict[int, Known] = {}
    failed: dict[AnchorKey, str] = {}
    for number, version in versions.items():
        known[number], lacking = encode_missing(collection, version, wanted[number], device)
        failed |= lacking
    _keep_decided(collection, jobs, known)
    broken = {job.policy.id: why for job in jobs for why in [_why(job, failed)] if why}
    usable = tuple(job for job in jobs if job.policy.id not in broken)
    return Encoded(usable, known, tuple(f"{name}: {why}" for name, why in broken.items()))


def _keep_decided(collection: Collection, jobs: Sequence[Job], known: dict[int, Known]) -> None:
    """Keep the stored vectors of what people decided beside those of what they wrote."""
    for job in jobs:
        number = job.held.version.id or 0
        known[number].vectors.update(job.decided)
        if job.decided:
            with collection.write() as con:
                keep_vectors(con, number, job.decided)


def _why(job: Job, failed: dict[AnchorKey, str]) -> str:
    reasons = (failed[w.key] for w in wanted_by(job.policy, job.held) if w.key in failed)
    return next(reasons, "")


def score(collection: Collection, encoded: Encoded, run_id: str) -> Tally:
    """Score what is due and keep what is found, each list in one transaction."""
    tally = Tally(problems=list(encoded.problems))
    if encoded.jobs:
        with collection.read() as con:
            lists = list(score_jobs(con, encoded.jobs, encoded.known, run_id))
        for found in (one for scored in lists for one in scored):
            _commit(collection, found, tally)
    with collection.read() as con:
        gone = num_gone(con)
    if gone:
        with collection.write() as con:
            follow_places(con)
            tally.num_withdrawn += withdraw_gone(con)
    return tally


def _commit(collection: Collection, scored: Scored, tally: Tally) -> None:
    policy, by = scored.job.policy, scored.by
    with collection.write() as con:
        for each in (policy, scored.job.taught):
            keep_policy(con, each.id, each.content_hash, each.to_json(), by.run_id)
        if scored.job.last is None:
            tally.num_withdrawn += renew_open(con, by, scored.found)
        num_new, num_first = add_findings(con, by, scored.found)
        keep_score(con, scored.score)
    tally.num_scored += scored.num_scored
    tally.num_new += num_new
    tally.num_new_first += num_first
    tally.new.append(
        {"policy": policy.id, "modality": by.modality, "num_new": num_new, "num_first": num_first}
    )


def summary(collection: Collection, folder: PolicyFolder, tally: Tally) -> dict[str, Any]:
    """Return what a run did and how things stand, as plain values, its words under ``text``."""
    with collection.read() as con:
        counts = finding_counts(con)
        measures = _measures(con, folder)
    refusals = [m["refusal"] for m in measures if m["refusal"]]
    problems = [*folder.problems, *tally.problems, *refusals]
    notices = [notice for policy in folder.policies for notice in policy.notices]
    tables = [_measure_table(measures), _count_table(counts)]
    said = (
        f"{counted(tally.num_new, 'new finding')}, {tally.num_new_first:,} of them urgent; "
        f"{counted(tally.num_scored, 'score')}, {counted(tally.num_withdrawn, 'finding')} withdrawn"
        + (f", {tally.num_judged:,} judged" if tally.num_judged else "")
    )
    lines = [said, *(f"note: {n}" for n in notices)]  # problems are told as the run's error
    return {
        "num_policies": len(folder.policies),
        "num_scored": tally.num_scored,
        "num_new": tally.num_new,
        "num_new_first": tally.num_new_first,
        "num_withdrawn": tally.num_withdrawn,
        "num_judged": tally.num_judged,
        "new": tally.new,
        "counts": counts,
        "measures": measures,
        "problems": problems,
        "notices": notices,
        "text": "\n\n".join(
            [table.to_text() for table in tables if table.rows] + ["\n".join(lines)]
        ),
        "markdown": "\n\n".join([table.to_markdown() for table in tables if table.rows]),
    }


def _measures(con: Any, folder: PolicyFolder) -> list[dict[str, Any]]:
    """Return by which thresholds each policy finds in each list, and what they promise."""
    lineup = live(con)
    found = []
    for policy in folder.policies:
        for held in lineup.lists if lineup else ():
            last = last_score(con, policy.id, policy.content_hash, held)
            if last is not None:
                kept = {k: v for k, v in last.calibration.items() if k not in ("null", "revision")}
                found.append(
                    {
                        "policy": policy.id,
                        "modality": held.modality,
                        "model": held.version.label,
                        "refusal": last.refusal,
                        **kept,
                    }
                )
    return found


def _measure_table(measures: list[dict[str, Any]]) -> TextTable:
    header = ("policy", "modality", "by", "review", "first", "recall", "precision", "base rate")
    rows = [
        (
            m["policy"],
            m["modality"],
            "refused" if m["refusal"] else m["by"],
            f"{m['review']:.2f}",
            f"{m['first']:.2f}",
            _share(m["recall"]),
            _share(m["precision"]),
            percent(m["base_rate"]) if m["base_rate"] >= 0 else "-",
        )
        for m in measures
    ]
    return TextTable("Policies: thresholds and what they promise", header, rows, num_words=3)


def _share(estimate: dict[str, float] | None) -> str:
    if estimate is None:
        return "-"
    return f"{estimate['value']:.2f} ({estimate['low']:.2f} to {estimate['high']:.2f})"


def _count_table(counts: list[dict[str, Any]]) -> TextTable:
    header = ("policy", "state", "findings", "urgent", "appeals")
    names = ("num_findings", "num_first", "num_appeals")
    rows = [(c["policy"], c["state"], *(f"{c[name]:,}" for name in names)) for c in counts]
    return TextTable("Findings", header, rows, num_words=2)
