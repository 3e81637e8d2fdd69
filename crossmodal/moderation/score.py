"""Score a collection by policies: what is new since the last time, and nothing else.

Owns what is due, in which order, and what becomes a finding. Vectors are read from the ledger in
blocks; each block is compared with every policy that is due for it. Invariant: a list is scored by
a policy from its first vector to its last with one calibration, so that no two findings of the same
policy in the same list were measured differently.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from crossmodal.errors import CollectionEmpty
from crossmodal.ledger.read.chunk_places import ChunkPlace, chunk_places
from crossmodal.ledger.read.stored_vectors import num_vectors
from crossmodal.ledger.sql import one_number
from crossmodal.ledger.write import model_versions
from crossmodal.ledger.write.findings import FoundBy, NewFinding
from crossmodal.ledger.write.policies import AnchorKey, PolicyScore, last_score, last_seq
from crossmodal.moderation.anchors import Known, anchors_of
from crossmodal.moderation.calibrate import MIN_EXAMPLES, Calibration, Labelled, calibrate
from crossmodal.moderation.decided import decided_by, decided_vectors, taught
from crossmodal.moderation.measure import REVISION, Measure, Null, Vectors, fit_null
from crossmodal.moderation.policy import Policy
from crossmodal.records import VectorList
from crossmodal.vectors.ann.reading import vector_blocks
from crossmodal.views.places import place_of, snippet

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

MAX_SAMPLE = 20_000
MAX_SHARE = 0.5
"""A policy that would flag more than this of a list says nothing about it."""
MIN_JUDGED = 50
"""Chunks of a list, below which a large share of it may well violate a policy."""
_SHOWN_CHARS = 300


@dataclass(frozen=True, slots=True)
class Job:
    """Say what one policy has to score in one list."""

    policy: Policy
    """As people wrote it."""
    taught: Policy
    """The same with what people decided as further examples."""
    held: VectorList
    after: int
    """The last vector that is scored already; 0 where all of the list is due."""
    stop: int
    num_vectors: int
    last: PolicyScore | None
    """The score to go on from; None where all of the list is due."""
    decided: Mapping[AnchorKey, Vectors] = field(default_factory=dict)
    """Vectors of what people decided that the ledger does not keep yet."""


@dataclass(frozen=True, slots=True)
class Scored:
    """Hold what one job found."""

    job: Job
    score: PolicyScore
    found: tuple[NewFinding, ...]
    num_scored: int

    @property
    def by(self) -> FoundBy:
        """Return what found it."""
        return FoundBy(
            policy_id=self.job.policy.id,
            policy_hash=self.score.policy_hash,
            model_version_id=self.score.model_version_id,
            modality=self.job.held.modality,
            run_id=self.score.run_id,
        )


def due_jobs(con: duckdb.DuckDBPyConnection, path: Path, policies: Sequence[Policy]) -> list[Job]:
    """Return what is due: new vectors, and all of a list for a policy or model that is new.

    Raises:
        CollectionEmpty: the collection holds no vector.
    """
    lineup = model_versions.live(con)
    if lineup is None:
        raise CollectionEmpty(f"{path} holds no vector yet: run `crossmodal index PATH...` first")
    sizes = {held: (num_vectors(con, held), last_seq(con, held)) for held in lineup.lists}
    has_ocr = bool(one_number(con, "SELECT count(*) FROM chunk WHERE kind = 'ocr'"))
    jobs = []
    for policy in policies:
        for held, (num, newest) in sizes.items():
            if num and _concerns(policy, held.modality, has_ocr):
                last = last_score(con, policy.id, policy.content_hash, held)
                decided = decided_by(con, policy, held)
                job = _job(policy, taught(policy, decided, held), held, num, newest, last)
                if job:
                    jobs.append(replace(job, decided=decided_vectors(con, decided, held)))
    return jobs


def _concerns(policy: Policy, modality: str, has_ocr: bool) -> bool:
    """Return whether a list can hold what a policy is about: words in pictures are texts."""
    by_words = modality == "text" and has_ocr and "image" in policy.modalities
    return modality in policy.modalities or by_words


def _job(
    policy: Policy,
    taught: Policy,
    held: VectorList,
    num: int,
    newest: int,
    last: PolicyScore | None,
) -> Job | None:
    # What margins are by chance is measured anew once a list has doubled.
    if last is None or _is_of_another_measure(last, taught) or num > 2 * max(last.num_vectors, 50):
        return Job(policy, taught, held, 0, newest, num, None)
    if last.refusal or newest <= last.covered_seq:
        return None
    return Job(policy, taught, held, last.covered_seq, newest, num, last)


def _is_of_another_measure(last: PolicyScore, taught: Policy) -> bool:
    by = last.calibration.get("taught", last.policy_hash)
    return last.calibration.get("revision") != REVISION or by != taught.content_hash


def score_jobs(
    con: duckdb.DuckDBPyConnection, jobs: Iterable[Job], known: dict[int, Known], run_id: str
) -> Iterator[list[Scored]]:
    """Yield what the jobs of one list find, list by list; each list is read once."""
    groups: dict[tuple[VectorList, int, int], list[Job]] = defaultdict(list)
    for job in jobs:
        groups[job.held, job.after, job.stop].append(job)
    for (held, after, stop), same in groups.items():
        vectors = known[held.version.id or 0]
        sample = _sample(con, held, same[0].num_vectors) if after == 0 else None
        scorers = [_Scorer(job, vectors, sample, run_id) for job in same]
        bounds = {"after": after, "stop": stop}
        for ids, block in vector_blocks(con, held, "seq > $after AND seq <= $stop", bounds):
            for scorer in scorers:
                scorer.take(ids, block)
        yield [scorer.scored(con) for scorer in scorers]


def _sample(con: duckdb.DuckDBPyConnection, held: VectorList, num: int) -> Vectors:
    """Return the vectors of every n-th chunk."""
    step = -(-num // MAX_SAMPLE)
    blocks = vector_blocks(con, held, "chunk_id % $step = 0 OR $step = 1", {"step": step})
    parts = [np.array(block) for _, block in blocks]
    return np.concatenate(parts) if parts else np.zeros((0, held.version.dim), dtype=np.float32)


class _Scorer:
    """Take blocks of one list and keep what one policy flags in them."""

    def __init__(self, job: Job, known: Known, sample: Vectors | None, run_id: str) -> None:
        self._job, self._run_id = job, run_id
        self._measure = Measure(anchors_of(job.taught, job.held, known.vectors))
        if job.last is not None:
            self._null = Null.of(job.last.calibration["null"])
            self._said = job.last.calibration
        else:
            assert sample is not None
            self._null = fit_null(self._measure, sample, known.probes)
            self._said = {
                **_calibrated(job.policy, self._measure, sample, self._null).to_dict(),
                "null": self._null.to_dict(),
                "revision": REVISION,
                "taught": job.taught.content_hash,
            }
        self._refusal = self._refused(sample)
        self._found: list[tuple[int, float, dict[str, Any]]] = []
        self._num_scored = 0

    def take(self, ids: np.ndarray, block: Vectors) -> None:
        """Score (n, dim) vectors."""
        self._num_scored += len(ids)
        if self._refusal:
            return
        cosines = self._measure.cosines(block)
        scores = self._measure.scores(cosines, self._null)
        for row in np.flatnonzero(scores >= self._said["review"]):
            near = self._measure.nearest(cosines[row])
            self._found.append((int(ids[row]), float(scores[row]), near))

    def scored(self, con: duckdb.DuckDBPyConnection) -> Scored:
        """Return what was found, with the place of each chunk."""
        job = self._job
        places = chunk_places(con, [chunk_id for chunk_id, _, _ in self._found])
        found = [
            self._finding(places[chunk_id], score, near)
            for chunk_id, score, near in self._found
            if chunk_id in places and _is_meant(job.policy, job.held.modality, places[chunk_id])
        ]
        score = PolicyScore(
            policy_id=job.policy.id,
            policy_hash=job.policy.content_hash,
            model_version_id=job.held.version.id or 0,
            modality=job.held.modality,
            covered_seq=job.stop,
            num_vectors=job.last.num_vectors if job.last else job.num_vectors,
            calibration=self._said,
            refusal=self._refusal,
            run_id=self._run_id,
        )
        return Scored(job, score, tuple(found), self._num_scored)

    def _refused(self, sample: Vectors | None) -> str:
        if sample is None or len(sample) < MIN_JUDGED:
            return ""
        scores = self._measure.scores(self._measure.cosines(sample), self._null)
        share = float((scores >= self._said["review"]).mean())
        if share <= max(MAX_SHARE, 2 * (self._job.policy.base_rate or 0)):
            return ""
        named = f"{self._job.policy.id} would flag {share:.0%} of the {self._job.held.modality}"
        return (
            f"{named} chunks: its sentences and examples do not tell what violates it from what it "
            "allows. Say in Allowed what else there is, give examples of both sides, or state the "
            "base_rate"
        )

    def _finding(self, place: ChunkPlace, score: float, near: dict[str, Any]) -> NewFinding:
        is_first = score >= self._said["first"]
        thresholds = {name: self._said[name] for name in ("review", "first", "by")}
        return NewFinding(
            chunk_id=place.chunk_id,
            score=score,
            is_first=is_first,
            is_hidden=is_first and self._job.policy.action == "hide",
            evidence={
                **near,
                "uri": place.uri,
                "place": place_of(place.meta),
                "kind": place.kind,
                "text": snippet(place.text, _SHOWN_CHARS),
                "media_type": place.media_type,
                "modified": place.modified,
                "thresholds": thresholds,
                "null": self._said["null"],
                "taught": self._said.get("taught", self._job.policy.content_hash),
                "model": self._job.held.version.label,
            },
        )


def _is_meant(policy: Policy, modality: str, place: ChunkPlace) -> bool:
    """Return whether a policy is about a chunk of this kind and language."""
    as_picture = place.kind == "ocr" and "image" in policy.modalities
    language = str(place.meta.get("language") or "").lower()
    speaks = not (policy.languages and language) or language in policy.languages
    return speaks and (modality in policy.modalities or as_picture)


def _calibrated(policy: Policy, measure: Measure, sample: Vectors, null: Null) -> Calibration:
    # Decisions are on what a threshold let through: alone they would raise it again and again.
    violates, allowed = measure.left_out(null, written=True)
    if min(len(violates), len(allowed)) < MIN_EXAMPLES:
        violates, allowed = measure.left_out(null)
    labelled = Labelled(
        violates=violates,
        allowed=allowed,
        everything=measure.scores(measure.cosines(sample), null),
    )
    found = calibrate(labelled, policy.base_rate, null.rare)
    return found.set_by_hand(policy.review, policy.first)
