"""Count what a collection holds, for people and for --json."""

from __future__ import annotations

from dataclasses import dataclass, field

import duckdb

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.stored_vectors import num_vectors
from crossmodal.ledger.read.token_files import TokenFile, token_files
from crossmodal.ledger.read.unfindable import Unfindable, unfindable
from crossmodal.ledger.write.ann_generations import Audit, valid_codes
from crossmodal.ledger.write.batch_sizes import BatchSize, all_batch_sizes
from crossmodal.ledger.write.model_versions import all_versions, live, vector_lists
from crossmodal.ledger.write.quarantine import QuarantineRow, count_by_reason, quarantine_rows
from crossmodal.ledger.write.runs import RunRecord, list_runs
from crossmodal.ledger.write.strength_limits import StoredLimits, all_limits
from crossmodal.ledger.write.trials import Trial, trial_of
from crossmodal.records import ModelVersion, VectorList

__all__ = ["ModelStatus", "QuarantineRow", "Status", "quarantine_rows", "status"]

_NUM_RUNS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStatus:
    """Count the vectors of one model version."""

    model: ModelVersion
    vectors: dict[str, int]
    """By modality."""
    live: list[str]
    """Modalities that it serves at present."""
    audits: dict[str, Audit]
    """By modality, how well its codes find what exact search finds; no entry where none are."""
    batch_sizes: list[BatchSize]
    """What was found to suit each device that embedded with it."""

    @property
    def num_vectors(self) -> int:
        """Return the vectors of all modalities."""
        return sum(self.vectors.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Sum up a collection."""

    path: str
    num_sources: int
    source_bytes: int
    media_types: dict[str, int]
    """Sources by media type, most frequent first; ``unknown`` where it was not read."""
    num_chunks: int
    chunk_kinds: dict[str, int]
    """Chunks by kind, most frequent first."""
    models: list[ModelStatus]
    runs: list[RunRecord]
    """The latest five, newest first."""
    quarantine: dict[str, int]
    """Refused sources by reason, most frequent first."""
    unfindable: Unfindable
    """Sources that no search can find, and why."""
    disk_bytes: int
    """The database with its write-ahead log."""
    strengths: list[StoredLimits] = field(default_factory=list)
    """From which merit on hits are strong and likely, where judgements were fitted."""
    trial: Trial | None = None
    """The A/B trial that is on."""
    tokens: list[TokenFile] = field(default_factory=list)
    """Token vectors that multi-vector rerankers keep beside the collection."""


def status(con: duckdb.DuckDBPyConnection, collection: Collection) -> Status:
    """Return the counts of the collection that ``con`` reads."""
    media_types = con.execute(
        "SELECT coalesce(media_type, 'unknown') AS media_type, count(*) FROM source "
        "GROUP BY ALL ORDER BY count(*) DESC, media_type"
    ).fetchall()
    sums = con.execute("SELECT count(*), coalesce(sum(size_bytes), 0) FROM source").fetchall()
    num_sources, source_bytes = sums[0]
    kinds = con.execute(
        "SELECT kind, count(*) FROM chunk GROUP BY ALL ORDER BY count(*) DESC, kind"
    ).fetchall()
    return Status(
        path=str(collection.path),
        num_sources=num_sources,
        source_bytes=int(source_bytes),
        media_types=dict(media_types),
        num_chunks=sum(count for _, count in kinds),
        chunk_kinds=dict(kinds),
        models=_models(con),
        runs=list_runs(con, _NUM_RUNS),
        quarantine=count_by_reason(con),
        unfindable=unfindable(con, [""], current.id if (current := live(con)) else None),
        disk_bytes=collection.size_bytes,
        strengths=all_limits(con),
        trial=trial_of(con),
        tokens=token_files(collection.path),
    )


def _audit(con: duckdb.DuckDBPyConnection, vectors: VectorList) -> Audit | None:
    valid = valid_codes(con, vectors)
    return valid.audit if valid else None


def _models(con: duckdb.DuckDBPyConnection) -> list[ModelStatus]:
    current, batch_sizes = live(con), all_batch_sizes(con)
    serving = current.serving if current else {}
    return [
        ModelStatus(
            model=version,
            vectors={
                vectors.modality: num_vectors(con, vectors) for vectors in vector_lists(version)
            },
            audits={
                vectors.modality: audit
                for vectors in vector_lists(version)
                if (audit := _audit(con, vectors))
            },
            batch_sizes=[found for found in batch_sizes if found.model_version_id == version.id],
            live=[m for m, served_by in serving.items() if served_by.id == version.id],
        )
        for version in all_versions(con)
    ]
