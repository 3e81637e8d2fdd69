"""Define what travels between the operators of a shard's query: one row type a state.

A source is planned, then read; a chunk of it is cut, then embedded. What an operator refuses
becomes a ``Refusal`` and passes through the others. Owns the rows and how they are laid out as
Arrow: plain types only, since Daft treats operators on its own image and tensor types differently.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from crossmodal.errors import Refused


@dataclass(frozen=True, slots=True)
class _OfSource:
    """Say of which source a row is."""

    uri: str
    content_hash: str
    chunker: str
    """The fingerprint of its chunker."""

    def refused(self, stage: str, refusal: Refused, part: str = "") -> Refusal:
        """Return why a stage refused the source, or the part of it that is named."""
        return Refusal(
            uri=self.uri,
            content_hash=self.content_hash,
            chunker=self.chunker,
            stage=stage,
            reason=refusal.reason,
            detail=refusal.detail,
            transient=refusal.transient,
            part=part,
        )


@dataclass(frozen=True, slots=True)
class PlannedSource(_OfSource):
    """A source as its row of the plan says; every field is a column of PLAN_SCHEMA."""

    media_type: str
    size_bytes: int

    def read(self, data: bytes | None) -> ReadSource:
        """Return the source with its content."""
        return ReadSource(
            self.uri, self.content_hash, self.chunker, self.media_type, self.size_bytes, data
        )


@dataclass(frozen=True, slots=True)
class ReadSource(PlannedSource):
    """A source with its content."""

    data: bytes | None
    """None for a large file, which is read where it is cut."""


@dataclass(frozen=True, slots=True)
class _Chunk(_OfSource):
    """What the ledger keeps of a chunk: columns of CHUNK_SCHEMA."""

    ordinal: int
    kind: str
    modality: str
    parent: int | None
    section: str
    text: str
    meta: str


@dataclass(frozen=True, slots=True)
class CutChunk(_Chunk):
    """A chunk as it goes to the model."""

    payload: bytes
    """uint8 pixels, UTF-8 text or float32 samples: see its modality."""
    caption: str
    size_bytes: int = 0
    """Of the source; 0 for its chunks after the first, so that a sum counts it once."""

    @property
    def name(self) -> str:
        """Return what a person calls this chunk of its source."""
        return chunk_name(self.kind, self.ordinal)

    def embedded(self, vector: bytes, joint_vector: bytes | None) -> EmbeddedChunk:
        """Return the chunk with its vectors in place of what went to the model."""
        return EmbeddedChunk(
            uri=self.uri,
            content_hash=self.content_hash,
            chunker=self.chunker,
            ordinal=self.ordinal,
            kind=self.kind,
            modality=self.modality,
            parent=self.parent,
            section=self.section,
            text=self.text,
            meta=self.meta,
            vector=vector,
            joint_vector=joint_vector,
        )


@dataclass(frozen=True, slots=True)
class EmbeddedChunk(_Chunk):
    """A chunk with its vectors, float32."""

    vector: bytes
    joint_vector: bytes | None
    """Of a text that the joint model could read whole too, in the joint space."""


@dataclass(frozen=True, slots=True)
class Refusal(_OfSource):
    """Why a source, or a part of it, has no vector."""

    stage: str
    reason: str
    detail: str
    transient: bool
    part: str = ""
    """What of the source was refused; empty for the whole of it."""


State: TypeAlias = PlannedSource | ReadSource | CutChunk | EmbeddedChunk
AnyState = TypeVar("AnyState", bound=State)

STATES: dict[str, tuple[type[State], type[State]]] = {
    "read": (PlannedSource, ReadSource),
    "decode": (ReadSource, CutChunk),
    "forward": (CutChunk, EmbeddedChunk),
}
"""What each operator takes and gives, beside refusals."""

_ARROW_TYPES = {
    "str": pa.large_string(),
    "int": pa.int64(),
    "bool": pa.bool_(),
    "bytes": pa.large_binary(),
}


def chunk_name(kind: str, ordinal: int) -> str:
    """Return what a person calls a chunk of a source: ``figure 3``."""
    return f"{kind} {ordinal}"


def planned_sources(planned: pa.Table) -> list[PlannedSource]:
    """Return the sources of PLAN_SCHEMA rows."""
    columns = (planned[field.name].to_pylist() for field in fields(PlannedSource))
    return [PlannedSource(*values) for values in zip(*columns, strict=True)]


def alive(rows: Iterable[AnyState | Refusal]) -> list[AnyState]:
    """Return the rows that were not refused."""
    return [row for row in rows if not isinstance(row, Refusal)]


def arrow_type(state: type[State]) -> pa.StructType:
    """Return how rows of a state travel: a refused one has all fields null but the last."""
    return pa.struct([*_arrow_fields(state), ("refused", pa.struct(_arrow_fields(Refusal)))])


def to_arrow(rows: Sequence[State | Refusal], state: type[State]) -> pa.StructArray:
    """Return rows as an array of ``arrow_type(state)``.

    What pyarrow makes of a list of dicts is the same, but copies payloads as it grows: three times
    as long, and ten times where the memory is new.
    """
    there = [None if isinstance(row, Refusal) else row for row in rows]
    refusals = [row if isinstance(row, Refusal) else None for row in rows]
    refused = pa.StructArray.from_arrays(
        _columns(refusals, Refusal),
        fields=_arrow_fields(Refusal),
        mask=pa.array([row is None for row in refusals], pa.bool_()),
    )
    return pa.StructArray.from_arrays(
        [*_columns(there, state), refused], fields=list(arrow_type(state))
    )


def nested_to_arrow(
    groups: Sequence[Sequence[State | Refusal]], state: type[State]
) -> pa.LargeListArray:
    """Return a list of rows for each group."""
    offsets = pa.array(np.cumsum([0, *map(len, groups)]), pa.int64())
    flat = to_arrow([row for group in groups for row in group], state)
    return pa.LargeListArray.from_arrays(offsets, flat)


def from_arrow(rows: pa.StructArray, state: type[AnyState]) -> list[AnyState | Refusal]:
    """Return the rows of an array of ``arrow_type(state)``."""
    columns = [rows.field(field.name).to_pylist() for field in fields(state)]
    refused = rows.field("refused").to_pylist()
    return [
        Refusal(**why) if why else state(*values)
        for values, why in zip(zip(*columns, strict=True), refused, strict=True)
    ]


def _arrow_fields(row_type: type[State | Refusal]) -> list[pa.Field]:
    names = [(field.name, str(field.type).removesuffix(" | None")) for field in fields(row_type)]
    return [pa.field(name, _ARROW_TYPES[type_name]) for name, type_name in names]


def _columns(rows: Sequence[Any], row_type: type[State | Refusal]) -> list[pa.Array]:
    return [
        _column([None if row is None else getattr(row, field.name) for row in rows], field)
        for field in _arrow_fields(row_type)
    ]


def _column(values: list[Any], field: pa.Field) -> pa.Array:
    if pa.types.is_large_binary(field.type) and any(values):
        return _binary(values)
    return pa.array(values, field.type)


def _binary(values: list[bytes | None]) -> pa.Array:
    sizes = [len(value or b"") for value in values]
    offsets = pa.py_buffer(np.cumsum([0, *sizes], dtype=np.int64))
    nulls = pa.array([value is not None for value in values], pa.bool_()).buffers()[1]
    data = pa.py_buffer(b"".join(value or b"" for value in values))
    return pa.Array.from_buffers(pa.large_binary(), len(values), [nulls, offsets, data])
