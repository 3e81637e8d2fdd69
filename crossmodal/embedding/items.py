"""Define what travels between the operators of a shard's query: a source, then its chunks.

Plain Arrow types only: Daft treats operators on its own image and tensor types differently.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from crossmodal.errors import Refused

ITEM_TYPE = pa.struct(
    [
        ("uri", pa.large_string()),
        ("content_hash", pa.large_string()),
        ("size_bytes", pa.int64()),
        ("media_type", pa.large_string()),
        ("chunker", pa.large_string()),
        ("payload", pa.large_binary()),
        ("short_payload", pa.large_binary()),
        ("ordinal", pa.int32()),
        ("kind", pa.large_string()),
        ("modality", pa.large_string()),
        ("parent", pa.int32()),
        ("section", pa.large_string()),
        ("text", pa.large_string()),
        ("caption", pa.large_string()),
        ("meta", pa.large_string()),
        ("last", pa.bool_()),
        ("part", pa.large_string()),
        ("stage", pa.large_string()),
        ("reason", pa.large_string()),
        ("detail", pa.large_string()),
        ("transient", pa.bool_()),
    ]
)

PLANNED_COLUMNS = ["uri", "content_hash", "size_bytes", "media_type", "chunker"]
"""What an item takes over from its row of the plan."""


@dataclass(frozen=True, slots=True)
class Item:
    """Carry a source (before decode) or one of its chunks (after), or why it was refused."""

    uri: str
    content_hash: str
    size_bytes: int
    """Of the source; 0 for its chunks after the first, so that a sum counts it once."""
    media_type: str
    chunker: str
    """Its fingerprint."""
    payload: bytes | None = None
    """The file's bytes after read; uint8 pixels, UTF-8 text or float32 samples after decode; a
    float32 vector after forward."""
    short_payload: bytes | None = None
    """The vector of a text that the joint model could read whole too, in the joint space."""
    ordinal: int = 0
    kind: str = ""
    modality: str = ""
    parent: int | None = None
    section: str = ""
    text: str = ""
    caption: str = ""
    meta: str = "{}"
    last: bool = True
    """Whether no more of its source follows."""
    part: str = ""
    """What of the source was refused; empty for the whole of it."""
    stage: str | None = None
    reason: str | None = None
    detail: str | None = None
    transient: bool | None = None

    @property
    def name(self) -> str:
        """Return what a person calls this chunk of its source."""
        return f"{self.kind} {self.ordinal}"

    def refused(self, stage: str, refusal: Refused, part: str = "") -> Item:
        """Return the item as refused by a stage."""
        return replace(
            self,
            payload=None,
            part=part,
            stage=stage,
            reason=refusal.reason,
            detail=refusal.detail,
            transient=refusal.transient,
        )


def from_arrow(rows: pa.Array | pa.ChunkedArray) -> list[Item]:
    """Return the items of an array of ITEM_TYPE."""
    found: list[dict[str, Any]] = rows.to_pylist()
    return [Item(**row) for row in found]
