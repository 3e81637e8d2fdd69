"""Define what goes into a chunker and what comes out of it.

A chunker is a function ``cut(source, rules, tools)`` in a module of this room that yields pieces
in reading order; the registry says which module serves which media type. A piece is a chunk before
it has a vector. It knows where it stands (position, section, parent), so that an answer can show
its surroundings; its neighbours are the pieces before and after it of the same kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from crossmodal.chunking.rules import ChunkRules

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Source:
    """Hold one source as a chunker sees it: whole and unchanged since it was planned."""

    uri: str
    media_type: str
    data: bytes

    @property
    def name(self) -> str:
        """Return the last part of the uri, without a query."""
        return self.uri.partition("?")[0].rstrip("/").rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Moment:
    """Hold a frame of a clip."""

    time_s: float
    """Seconds after the clip's beginning."""
    picture: npt.NDArray[np.uint8]
    """(h, w, 3) RGB."""


@dataclass(frozen=True, slots=True)
class ClipForm:
    """Say which frames of a clip an encoder wants."""

    num_frames: int
    """At most."""
    side_px: int
    """Shorter side; larger frames may be scaled to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Hold one chunk before it has a vector; exactly what its modality needs is set."""

    kind: str
    """image, passage, page_image, figure, frame, clip, cue, window, rows, table, cell_image, ..."""
    modality: str
    """Which encoder serves it: image, text or audio."""
    text: str = ""
    """text: what is embedded. Other modalities: caption and surroundings, for people and fusion."""
    picture: bytes | npt.NDArray[np.uint8] | None = None
    """image: an encoded picture, still to be decoded under the guards, or (h, w, 3) RGB pixels."""
    moments: tuple[Moment, ...] = ()
    """image: the frames of a clip in order of time, which get one vector together."""
    samples: npt.NDArray[np.float32] | None = None
    """audio: (n,) mono, at the rate that ``tools.sample_rate_hz`` asks for."""
    caption: str = ""
    """image: the words that belong to it alone; what early fusion mixes in."""
    section: tuple[str, ...] = ()
    """Headings from the outermost to the one above the piece."""
    parent: int | None = None
    """Ordinal, within this source, of the piece that this one is a part of or belongs to."""
    position: dict[str, Any] = field(default_factory=dict)
    """JSON-ready: page (from 1), chars [start, stop), start_s, end_s, rows [start, stop), box."""
    facts: dict[str, Any] = field(default_factory=dict)
    """JSON-ready metadata for filters and display: format, width, height, columns, language."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """Say that a part of a source could not be cut although the rest could; yielded as a piece."""

    part: str
    """Which part, such as ``page 3, figure 2``."""
    reason: str
    detail: str


class TextMeasure(Protocol):
    """Measure text in the tokens of the encoder that will read it; special tokens not counted."""

    max_tokens: int
    """What the encoder reads of one text, its special tokens already taken off."""
    fingerprint: str

    def count(self, text: str) -> int:
        """Return the number of tokens."""

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Return for each token the half-open range of characters that it stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutTools:
    """Lend a chunker what it needs of the encoders, without the encoders."""

    measure: TextMeasure
    embed_sentences: Callable[[Sequence[str]], npt.NDArray[np.float32]] | None = None
    """(n, dim) float32, L2-normalised; only the semantic text chunker asks for it."""
    sample_rate_hz: int = 48_000
    min_side: int | None = None
    """Shorter side in pixels that the image encoder wants; larger pictures may be scaled to it."""
    clip: ClipForm | None = None
    """None where the image encoder takes no clips."""


Cut = Callable[[Source, ChunkRules, CutTools], "Iterator[Piece | Flaw]"]
"""What every module of a modality offers as ``cut``.

It raises ``Refused`` where nothing of the source can be used (also after it has yielded pieces,
which are dropped then), and yields a ``Flaw`` where only a part is lost. A source without any
content is refused with reason ``no_content``.
"""
