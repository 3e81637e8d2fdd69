"""Define the values that stages hand to each other; import nothing of ours.

Bulk data travels as Arrow tables or Parquet files of the schemas below, never as one Python
object a source: a manifest of a million rows stays a file. The dataclasses are for what is few.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pyarrow as pa

MANIFEST_SCHEMA = pa.schema(
    [
        pa.field("uri", pa.string(), nullable=False),
        pa.field("root", pa.string(), nullable=False),
        pa.field("size_bytes", pa.int64(), nullable=False),
        pa.field("mtime_ns", pa.int64(), nullable=False),
    ]
)
"""What discovery saw: one row a source, uri unique. Remote objects without a time have mtime 0."""

PLAN_SCHEMA = pa.schema(
    [
        *MANIFEST_SCHEMA,
        pa.field("action", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("media_type", pa.string()),
        pa.field("chunker", pa.string()),
        pa.field("modality", pa.string()),
        pa.field("content_hash", pa.string()),
        pa.field("previous_uri", pa.string()),
        pa.field("embed", pa.bool_(), nullable=False),
    ]
)
"""What a run will do to each source: ``action`` is an Action, ``embed`` says a forward pass is due.

``chunker`` is the fingerprint of the chunker in charge and ``modality`` what its sources are cut
for, both null where there is none. ``previous_uri`` is set for a renamed source; ``content_hash``
is the SHA-256 in hex, null where the content was not read (a deleted or a skipped source).
"""


CHUNK_SCHEMA = pa.schema(
    [
        pa.field("uri", pa.string(), nullable=False),
        pa.field("content_hash", pa.string(), nullable=False),
        pa.field("chunker", pa.string(), nullable=False),
        pa.field("ordinal", pa.int32(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("modality", pa.string(), nullable=False),
        pa.field("parent", pa.int32()),
        pa.field("section", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("meta", pa.string(), nullable=False),
        pa.field("part", pa.string(), nullable=False),
        pa.field("stage", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("detail", pa.string()),
        pa.field("transient", pa.bool_()),
    ]
)
"""What became of a shard's sources: a row for each chunk, and one for each refusal.

A chunk has no ``reason``. A refusal has one; its ``part`` is empty where the whole source was
refused and otherwise names the part that was. ``section`` is the headings above the chunk joined by
SECTION_SEPARATOR; ``meta`` a JSON object: position and facts.
"""

SECTION_SEPARATOR = " \u203a "
"""Stands between the headings of a section path."""
FURTHER_HEADINGS = "further_headings"
"""The fact of a passage that lists the headings of sections that begin within it."""


def vector_schema(dim: int) -> pa.Schema:
    """Return the schema of a shard's vectors in one list: (dim,) float32, L2-normalised."""
    return pa.schema(
        [
            pa.field("content_hash", pa.string(), nullable=False),
            pa.field("chunker", pa.string(), nullable=False),
            pa.field("ordinal", pa.int32(), nullable=False),
            pa.field("vector", pa.list_(pa.float32(), dim), nullable=False),
        ]
    )


NOT_AT_FAULT = frozenset({"empty", "no_content", "encrypted", "unsupported_format"})
"""Reasons of refusals that are no failures: there is nothing to find, or nobody may look.

Such sources are skipped: told of with their reason, but held against no run.
"""


class Action(StrEnum):
    """What a run will do to a source."""

    ADDED = "added"
    CHANGED = "changed"
    RENAMED = "renamed"
    DUPLICATE = "duplicate"
    DELETED = "deleted"
    UNCHANGED = "unchanged"
    RETRY = "retry"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Rejected:
    """Say why a source or a chunk was refused; becomes a quarantine row."""

    uri: str
    stage: str
    """discover, plan, read, decode or embed."""
    reason: str
    """A short, countable code such as ``truncated`` or ``unidentified_format``."""
    detail: str
    """The message for a person: what was found, what is allowed."""
    transient: bool = False
    """Whether the next run should try again by itself."""
    content_hash: str | None = None
    size_bytes: int = 0
    mtime_ns: int = 0
    part: str = ""
    """Which part of the source; empty for the whole of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """Name one embedding space: two vectors are comparable only under the same fingerprint."""

    name: str
    """Hub id or absolute directory, as users name the model."""
    revision: str
    """Hub commit, or ``local``."""
    weights_hash: str
    """SHA-256 over the weight files, hex."""
    preprocessing: str
    """SHA-256 over the effective preprocessing settings, hex."""
    dim: int
    dtype: str
    """float32, bfloat16 or float16: what the forward pass computes in."""
    encoders: dict[str, str] = field(hash=False)
    """Which encoder serves which modality, such as ``{"image": "vision", "text": "text"}``."""
    id: int | None = None
    """The ledger's number for it; None until registered."""
    derived: Derivation | None = field(default=None, compare=False, repr=False)
    """From whose vectors its own are computed; None for a model with files."""

    @property
    def root(self) -> ModelVersion:
        """Return the version whose encoder its vectors begin with: itself unless derived."""
        return self.derived.parent.root if self.derived else self

    @property
    def fingerprint(self) -> str:
        """Return the key of the space as text."""
        return "|".join((self.weights_hash, self.preprocessing, str(self.dim), self.dtype))

    @property
    def label(self) -> str:
        """Return a short name for people: ``clip-vit-base-patch32@1a2b3c4d/bfloat16``."""
        return f"{self.name.rstrip('/').rsplit('/', 1)[-1]}@{self.weights_hash[:8]}/{self.dtype}"


@dataclass(frozen=True, slots=True)
class Derivation:
    """Say how the vectors of a derived space are computed from another version's."""

    parent: ModelVersion
    kind: str
    """centring, pca, whitening, truncation, propagation, graphsage, fusion or adapter."""
    maps: bytes = field(repr=False)
    """As ``vectors.affine`` packs them: one map a modality."""


class VectorList(NamedTuple):
    """Name the vectors of one modality under one model version: what a search goes through."""

    version: ModelVersion
    modality: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineup:
    """Say which model version serves which modality: what a run embeds and a search asks with."""

    serving: Mapping[str, ModelVersion]
    """By modality. ``image`` is always there: its version is the joint image-text space."""

    @classmethod
    def of(
        cls,
        joint: ModelVersion,
        text: ModelVersion | None = None,
        **others: ModelVersion | None,
    ) -> Lineup:
        """Return the line-up of a joint model, which also serves what else it can.

        Texts unless ``text`` does; ``others`` serve the modality that each is named by, where it is
        not None.
        """
        serving = {"image": joint}
        if text or "text" in joint.encoders:
            serving["text"] = text or joint
        serving |= {modality: joint for modality in joint.encoders if modality not in serving}
        serving |= {modality: version for modality, version in others.items() if version}
        return cls(serving=serving)

    @property
    def joint(self) -> ModelVersion:
        """Return the version of the joint image-text space."""
        return self.serving["image"]

    @property
    def id(self) -> int | None:
        """Return the ledger's number for the joint version; None until registered."""
        return self.joint.id

    @property
    def versions(self) -> tuple[ModelVersion, ...]:
        """Return the distinct versions, the joint one first."""
        return tuple({version.fingerprint: version for version in self.serving.values()}.values())

    @property
    def lists(self) -> tuple[VectorList, ...]:
        """Return where each modality's vectors go: a chunk has its vector in exactly one."""
        return tuple(VectorList(version, modality) for modality, version in self.serving.items())

    @property
    def short_texts(self) -> VectorList | None:
        """Return where texts that the joint model can read whole go too, so that images find them.

        None where the joint model serves all texts anyway.
        """
        joint = self.joint
        if "text" not in joint.encoders or self.serving.get("text") == joint:
            return None
        return VectorList(joint, "text")

    @property
    def all_lists(self) -> tuple[VectorList, ...]:
        """Return every list that a search may go through."""
        return self.lists + ((self.short_texts,) if self.short_texts else ())

    @property
    def embedding(self) -> Lineup:
        """Return the line-up that a run embeds with: derived spaces give way to their roots."""
        return Lineup(serving={modality: v.root for modality, v in self.serving.items()})

    @property
    def fingerprint(self) -> str:
        """Return the key of the line-up as text."""
        return ";".join(f"{name}={v.fingerprint}" for name, v in sorted(self.serving.items()))

    @property
    def label(self) -> str:
        """Return a short name for people."""
        return " + ".join(version.label for version in self.versions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Time one piece of work: a stage, or one batch of an operator inside a stage."""

    stage: str
    operator: str
    """Empty for the stage itself."""
    worker: str
    """The thread that did it."""
    started_s: float
    """Seconds since the epoch."""
    wall_s: float
    num_items: int = 0
    num_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSummary:
    """Count what a plan will do."""

    counts: dict[str, int]
    """Sources by Action value; actions with none are left out."""
    num_to_embed: int
    bytes_to_embed: int
    num_found: int
    withheld: list[str] = field(default_factory=list)
    """Sentences on deletions that were refused, one a root; empty when nothing was."""
    rejected: list[Rejected] = field(default_factory=list)
    """What discovery or planning refused: unreadable folders and files, unusable names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """Answer a query with one chunk and the source that holds it."""

    rank: int
    score: float
    """Cosine similarity, -1 to 1; BM25 where only words were searched."""
    uri: str
    chunk_id: int
    kind: str
    ordinal: int
    modality: str
    media_type: str
    size_bytes: int
    modified: datetime | None
    num_copies: int
    """Sources with the same content, this one included."""
    text: str = ""
    """The passage itself; of a picture its caption and surroundings."""
    section: str = ""
    """Headings above it, outermost first."""
    parent: int | None = None
    """Ordinal of the chunk of the same source that it belongs to."""
    meta: dict[str, Any] = field(default_factory=dict)
    """Position in the source (page, start_s, rows, ...) and facts (width, format, ...)."""
    merit: float | None = None
    """-ln of how many chunks of its list look as good to a generic question; compares across lists.

    None where a list of the search is not calibrated yet.
    """
    strength: Literal["strong", "likely", "weak", ""] = ""
    """strong, likely or weak, from the merit; empty without one."""
    snippet: str = ""
    """What of the text to show: the sentence nearest to the question, on one line."""
    spans: list[tuple[int, int]] = field(default_factory=list)
    """Where in the text the sentences nearest to the question lie, [start, stop) characters."""
    rerank_score: float | None = None
    """What the reranker gave it, which compares within this answer only; None where none did."""
    alike: list[str] = field(default_factory=list)
    """Paths of worse hits that are nearly the same, and so have no place of their own."""
    collection: str = ""
    """Which collection holds it; empty where only one was asked."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Name the shards that one embed task works through: row groups of a Parquet file."""

    shards: Path
    """PLAN_SCHEMA rows due for a forward pass, one row group a shard."""
    first: int
    stop: int
    """One past the last row group."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Hold a plan on disk, its counts, and the batches of work it asks for."""

    path: Path
    """PLAN_SCHEMA rows of every source that is not plainly unchanged."""
    summary: PlanSummary
    batches: tuple[Batch, ...]
    chunkers: tuple[str, ...] = ()
    """Fingerprints of all chunkers in charge, also of those of unchanged sources."""
    folders: tuple[str, ...] = ()
    """What was looked through: what was unreadable there before and is not now has mended."""
