"""Open the bytes of one film or recording with FFmpeg, and say what is inside.

Owns which containers may be opened: those that hold their streams themselves. Playlists and other
formats that name further files or hosts are refused, so that nothing but the given bytes is read.
Runs in the parser's child process; FFmpeg is imported when something is opened.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, NoReturn

from crossmodal.errors import Refused

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.stream import Stream

VIDEO_CONTAINERS = (
    "mov,matroska,webm,avi,mpeg,mpegts,mpegvideo,flv,ogg,asf,m4v,h264,hevc,ivf,dv,mxf,nut,rm,"
    "yuv4mpegpipe,obu,av1,wtv"
)
AUDIO_CONTAINERS = (
    "mov,matroska,webm,ogg,asf,mp3,wav,w64,flac,aac,aiff,caf,au,ac3,eac3,amr,amrnb,amrwb,ape,wv,"
    "tta,dts,mpc,mpc8,tak,dsf,voc,oma,gsm,rm,sbc"
)
ANY_CONTAINERS = ",".join(dict.fromkeys(f"{VIDEO_CONTAINERS},{AUDIO_CONTAINERS}".split(",")))
_SIGNATURES = (
    (0, b"\x1aE\xdf\xa3", "Matroska or WebM"),
    (0, b"RIFF", "RIFF (AVI or WAV)"),
    (0, b"OggS", "Ogg"),
    (0, b"FLV", "Flash video"),
    (0, b"fLaC", "FLAC"),
    (0, b"ID3", "MP3"),
    (0, b"FORM", "AIFF"),
    (0, b"\x00\x00\x01\xba", "MPEG"),
    (0, b"\x30\x26\xb2\x75", "Windows Media"),
)
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")
_TAGS = ("title", "artist", "album", "comment", "description", "genre", "date")
_MAX_TAG_CHARS = 500


def open_media(data: bytes, containers: str) -> InputContainer:
    """Open a container that holds its streams itself; ``containers`` lists FFmpeg's names.

    Raises:
        Refused: The bytes are empty, no such container, or damaged where everything begins.
    """
    if not data:
        raise Refused("empty", "the file has no bytes")
    import av

    av.logging.set_level(None)
    try:
        return av.open(
            io.BytesIO(data),
            "r",
            container_options={"format_whitelist": containers},
            metadata_errors="replace",
            io_open=_open_nothing,
        )
    except av.error.MemoryError:
        raise
    except av.error.FFmpegError as error:
        _refuse(data, error)


def _open_nothing(url: str, *_: Any) -> NoReturn:
    raise PermissionError(f"a media file may not name another to be read: {url[:200]}")


def _refuse(data: bytes, error: Exception) -> NoReturn:
    if data[4:8] in _MP4_BOXES and b"moov" not in data:
        raise Refused(
            "truncated", "begins like MP4, but its index (moov) is missing: cut off?"
        ) from error
    claimed = _claimed_container(data)
    if claimed is None:
        raise Refused(
            "unidentified_format", f"no supported film or recording begins with {data[:8]!r}"
        ) from error
    detail = f"begins like {claimed} but is damaged or cut off: {reason_of(error)}"
    raise Refused("decoder_error", detail) from error


def reason_of(error: Exception) -> str:
    """Return what FFmpeg says, without its numbers."""
    return str(getattr(error, "strerror", None) or error)


def _claimed_container(data: bytes) -> str | None:
    if data[4:8] in _MP4_BOXES:
        return "MP4"
    for offset, signature, name in _SIGNATURES:
        if data.startswith(signature, offset):
            return name
    return None


def without(container: InputContainer, wanted: str) -> Refused:
    """Return the refusal of a file that opens but has no stream of the wanted kind."""
    inside = sorted({stream.type for stream in container.streams})
    if not inside:
        return Refused("truncated", "the container opens but names no stream: cut off?")
    return Refused("no_content", f"the file holds no {wanted}, only: {', '.join(inside)}")


def codec_name(stream: Stream) -> str:
    """Return the codec of a stream, such as ``h264``.

    Raises:
        Refused: FFmpeg knows no decoder for it.
    """
    if stream.codec_context is None:
        raise Refused("unsupported_format", f"no decoder for the {stream.type} stream")
    return stream.codec_context.codec.canonical_name


def tags(container: InputContainer) -> dict[str, str]:
    """Return title, artist and the like as far as the file names them."""
    lower = {key.lower(): value for key, value in container.metadata.items()}
    found = {key: " ".join(lower.get(key, "").split())[:_MAX_TAG_CHARS] for key in _TAGS}
    return {key: value for key, value in found.items() if value}


def tag_text(found: dict[str, str]) -> str:
    """Return tags as words that a person and a text encoder can read."""
    return ". ".join(f"{key}: {value}" for key, value in found.items())


def declared_duration_s(container: InputContainer) -> float | None:
    """Return how long the container says that it lasts."""
    return container.duration / 1e6 if container.duration and container.duration > 0 else None
