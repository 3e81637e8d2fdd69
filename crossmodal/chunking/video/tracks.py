"""Read the subtitle tracks inside a film as cues.

Owns tracks of text; tracks of pictures (DVD, Blu-ray, DVB) are passed over. Runs in the parser's
child process.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from crossmodal.chunking.subtitles.cues import Cue, clean_text

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet

_UNKNOWN_LANGUAGE = "und"


def text_tracks(container: InputContainer) -> dict[int, str]:
    """Return the language of each subtitle track that FFmpeg can decode, by stream index."""
    return {
        stream.index: stream.language or _UNKNOWN_LANGUAGE
        for stream in container.streams.subtitles
        if stream.codec_context is not None
    }


def cue_of(packet: Packet[Any], language: str, start_s: float) -> Iterator[Cue]:
    """Yield the cue in a packet, or nothing where it is empty, damaged or a picture."""
    import av

    if packet.pts is None or packet.time_base is None or not packet.size:
        return
    try:
        parts = packet.stream.decode(packet)
    except av.error.MemoryError:
        raise
    except av.error.FFmpegError:
        return
    text = "\n".join(filter(None, (_text_of(part) for part in parts)))
    if not text:
        return
    begin_s = max(0.0, float(packet.pts * packet.time_base) - start_s)
    end_s = begin_s + float((packet.duration or 0) * packet.time_base)
    known = "" if language == _UNKNOWN_LANGUAGE else language
    yield Cue(begin_s, end_s, text, track=packet.stream.index, language=known)


def _text_of(part: Any) -> str:
    if part.type == b"ass":
        return clean_text(part.dialogue.decode("utf-8", "replace"))
    if part.type == b"text":
        return clean_text(part.text.decode("utf-8", "replace"))
    return ""
