"""Keep previews in memory, and refusals too, so that a damaged file is not tried on every visit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossmodal.errors import Refused
from crossmodal.previews.preview import Subject, preview
from crossmodal.web.files.sources import Sources
from crossmodal.web.lru import Lru
from crossmodal.web.settings import PREVIEW_SIDES

if TYPE_CHECKING:
    from crossmodal.ledger.read.chunks import KnownChunk

Preview = bytes | Refused
_REFUSAL_BYTES = 1000
_PNG = b"\x89PNG"


class Previews:
    """Make previews of chunks; each is drawn once while there is room for it."""

    def __init__(self, max_bytes: int, sources: Sources) -> None:
        self._sources = sources
        self._kept: Lru[str, Preview] = Lru(max_bytes, _weight)

    @property
    def num_bytes(self) -> int:
        """Return how much is kept."""
        return self._kept.weight

    def get(self, known: KnownChunk, side_px: int) -> bytes:
        """Return the preview within one of the sizes that are made.

        Raises:
            Refused: There is none, now or ever; see ``crossmodal.previews.preview``.
        """
        key = tag_of(known, side_px)
        # Also of what is kept: it may be gone, or not allowed.
        content = self._sources.look(known.medium)
        found = self._kept.get(key)
        if found is None:
            try:
                found = preview(_subject(known), content(), side_px)
            except Refused as refused:
                if refused.transient:
                    raise
                found = refused
            self._kept.put(key, found)
        if isinstance(found, Refused):
            raise Refused(found.reason, found.detail)
        return found


def tag_of(known: KnownChunk, side_px: int) -> str:
    """Return what names a preview: other content, place or size has another name."""
    medium = known.medium
    return f"{medium.content_hash[:24]}-{known.hit.chunk_id}-{made_side(side_px)}"


def made_side(side_px: int) -> int:
    """Return the size that is made for a wish: the next larger one."""
    return next((side for side in PREVIEW_SIDES if side >= side_px), PREVIEW_SIDES[-1])


def type_of(encoded: bytes) -> str:
    """Return the media type of a preview."""
    return "image/png" if encoded.startswith(_PNG) else "image/jpeg"


def _subject(known: KnownChunk) -> Subject:
    hit, medium = known.hit, known.medium
    return Subject(
        kind=hit.kind,
        media_type=medium.media_type,
        uri=medium.uri,
        chunker=known.chunker,
        text=hit.text,
        meta=hit.meta,
    )


def _weight(found: Preview) -> int:
    return len(found) if isinstance(found, bytes) else _REFUSAL_BYTES
