"""List every model version with what people choose by: origin, licence, size, figures, duty.

Owns nothing that it tells: the ledger, the lineage and the model's own folder do. Loads no weights
and asks no hub: of a model whose files are gone everything else is still told.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from crossmodal.errors import CrossmodalError
from crossmodal.ledger.evaluation_records import Estimate, EvaluationRecord, PairResult
from crossmodal.ledger.read.stored_vectors import num_vectors
from crossmodal.ledger.write import evaluations, model_versions
from crossmodal.ledger.write.batch_sizes import all_batch_sizes
from crossmodal.ledger.write.model_versions import vector_lists
from crossmodal.models import promotion_log
from crossmodal.models.files import files_of
from crossmodal.models.lineage import Lineage, lineage_of
from crossmodal.models.options import BUILT_IN
from crossmodal.models.retire import is_pinned
from crossmodal.models.starter.shipped import DATA
from crossmodal.records import ModelVersion

_LICENCE = re.compile(r"^licen[cs]e:\s*[\"']?([^\"'\n]+)", re.MULTILINE)
_FRONT_MATTER_BYTES = 100_000
_FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True)
class Scored:
    """Hold one figure of a version."""

    set_name: str
    pair: str
    gallery_size: int
    recall_at_10: Estimate
    ms_per_query: float
    evaluation_id: str
    set_digest: str
    gallery_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Tell of one model version."""

    version: ModelVersion
    label: str
    licence: str
    """As its model card says; empty where it says nothing, or there is no card."""
    parent: Lineage | None
    vectors: dict[str, int]
    """By modality."""
    vector_bytes: int
    items_per_s: dict[str, float]
    """By modality, the fastest that was found; empty before a run of some length."""
    serves: list[str]
    """Modalities that it serves now."""
    former: bool
    """Whether a rollback would go back to it."""
    pinned: bool
    scored: list[Scored]
    """The latest figure for each set and pair."""


def catalogue(con: duckdb.DuckDBPyConnection) -> list[Entry]:
    """Return every registered model version, oldest first."""
    live, before = model_versions.live(con), promotion_log.standing(con)
    serving = live.serving if live else {}
    rates = _rates(con)
    scored = _scored(con)
    return [
        Entry(
            # Numbers by the thousand are nothing to list; ``parent`` tells of the derivation.
            version=replace(version, derived=None),
            label=version.label,
            licence=licence_of(version),
            parent=lineage_of(con, version.id or 0),
            vectors=(counts := {v.modality: num_vectors(con, v) for v in vector_lists(version)}),
            vector_bytes=sum(counts.values()) * version.dim * _FLOAT_BYTES,
            items_per_s=rates.get(version.id or 0, {}),
            serves=[m for m, v in serving.items() if v.id == version.id],
            former=bool(before and version.id in before.before.values()),
            pinned=is_pinned(con, version.id or 0),
            scored=scored.get(version.label, []),
        )
        for version in model_versions.all_versions(con)
    ]


def licence_of(version: ModelVersion) -> str:
    """Return the licence that the model card of a version names; empty where it names none."""
    try:
        folder = _folder_of(version)
    except CrossmodalError:
        return ""
    for name in ("README.md", "MODEL_CARD.md", "model_card.md"):
        try:
            with (folder / name).open(encoding="utf-8", errors="replace") as card:
                found = _LICENCE.search(card.read(_FRONT_MATTER_BYTES))
        except OSError:
            continue
        if found:
            return found[1].strip()
    return ""


def _folder_of(version: ModelVersion) -> Path:
    """Return where the model card lies: the built-in model's beside its shipped files."""
    if version.root.name in BUILT_IN:
        return DATA.parent
    folder = Path(version.root.name)
    return folder if folder.is_dir() else Path(files_of(version).directory)


def scored_of(record: EvaluationRecord, pair: PairResult) -> Scored:
    """Return the figure that an evaluation has for one of its pairs."""
    return Scored(
        record.set_name,
        pair.pair,
        pair.gallery_size,
        pair.measures["recall@10"],
        pair.ms_per_query,
        record.evaluation_id,
        record.set_digest,
        pair.gallery_digest,
    )


def _rates(con: duckdb.DuckDBPyConnection) -> dict[int, dict[str, float]]:
    rates: dict[int, dict[str, float]] = {}
    for found in all_batch_sizes(con):
        known = rates.setdefault(found.model_version_id, {})
        known[found.modality] = max(found.items_per_s, known.get(found.modality, 0.0))
    return rates


def _scored(con: duckdb.DuckDBPyConnection) -> dict[str, list[Scored]]:
    """Return by label the latest figure for each set and pair."""
    latest: dict[tuple[str, str, str], Scored] = {}
    for record in evaluations.all_evaluations(con):
        for pair in record.pairs:
            latest.setdefault((record.model, record.set_name, pair.pair), scored_of(record, pair))
    by_label: dict[str, list[Scored]] = {}
    for (label, _, _), found in latest.items():
        for part in label.split(" + "):
            by_label.setdefault(part, []).append(found)
    return by_label
