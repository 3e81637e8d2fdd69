"""Decode one recording in the parser's child process into windows of mono samples.

Owns decoding, mixing to one channel and resampling; audio_windows divides. Memory holds the file's
bytes and a few windows. Packets that cannot be decoded are counted and skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crossmodal.chunking import av_container as media
from crossmodal.chunking.audio.windows import Samples, Window, WindowCutter
from crossmodal.chunking.pieces import Flaw, Piece
from crossmodal.chunking.rules import ChunkRules
from crossmodal.errors import Refused

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.resampler import AudioResampler
    from av.audio.stream import AudioStream
    from av.container import InputContainer

_MIN_RATE_HZ, _MAX_RATE_HZ = 1_000, 12_000_000
# Their duration stands in the file; that of the others is reckoned from the bit rate.
_DECLARING = {"mov", "w64", "flac", "asf", "aiff", "caf", "matroska", "au"}
_MISSING_SHARE, _MISSING_S = 0.02, 1.0
_UNKNOWN_RIFF_BYTES, _RIFF_HEADER_BYTES = 0xF0000000, 44


@dataclass(slots=True)
class _Recording:
    """Hold what is known about the recording while it is read."""

    stream: AudioStream
    rate_hz: int
    num_damaged: int = 0
    broken_off: str = ""


def windows(
    data: bytes, rules: ChunkRules, rate_hz: int, containers: str = media.AUDIO_CONTAINERS
) -> Iterator[Piece | Flaw]:
    """Yield windows as pieces in order of time, then flaws.

    ``containers``: what may be opened, by FFmpeg's names.

    Raises:
        Refused: No container of sound, no sound in it, or a codec that is not known.
    """
    measured_s = _measured_duration_s(data, containers)
    with media.open_media(data, containers) as container:
        recording = _Recording(_sound(container), rate_hz)
        tags = media.tags(container) | _stream_tags(recording.stream)
        facts = _facts(recording.stream, measured_s) | {
            key: tags[key] for key in ("title", "artist", "album") if key in tags
        }
        cutter = WindowCutter(rate_hz, rules.audio_window_s, rules.audio_overlap_s)
        for window in _windows(container, recording, cutter):
            yield _piece_of(window, rate_hz, facts, media.tag_text(tags))
        heard_s = cutter.num_samples / rate_hz
        if not heard_s:
            reason = "decoder_error" if recording.num_damaged else "no_content"
            raise Refused(reason, "the file holds no sound that could be decoded")
        yield from _flaws(recording, heard_s, _declared_s(container, data, heard_s))


def _sound(container: InputContainer) -> AudioStream:
    streams = container.streams.audio
    if not streams:
        raise media.without(container, "sound")
    stream = streams[0]
    media.codec_name(stream)
    if not _MIN_RATE_HZ <= (stream.rate or 0) <= _MAX_RATE_HZ:
        raise Refused("unsupported_format", f"a sample rate of {stream.rate} Hz is not read")
    return stream


def _measured_duration_s(data: bytes, containers: str) -> float | None:
    """Return how long the packets last: raw AAC and MP3 declare nothing that can be trusted."""
    import av

    with media.open_media(data, containers) as container:
        stream = _sound(container)
        first, last = None, 0.0
        try:
            for packet in container.demux(stream):
                if packet.pts is not None and packet.time_base is not None:
                    start = float(packet.pts * packet.time_base)
                    first = start if first is None else first
                    last = max(last, start + float((packet.duration or 0) * packet.time_base))
        except av.error.MemoryError:
            raise
        except av.error.FFmpegError:
            pass  # the decoding pass meets it again and says so
    return None if first is None else last - max(0.0, first)


def _stream_tags(stream: AudioStream) -> dict[str, str]:
    """Return the tags that Ogg keeps with the stream."""
    kept = {key.lower(): value for key, value in stream.metadata.items()}
    return {key: kept[key] for key in ("title", "artist", "album", "genre") if kept.get(key)}


def _facts(stream: AudioStream, duration_s: float | None) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "codec": media.codec_name(stream),
        "channels": stream.channels,
        "sample_rate_hz": stream.rate,
    }
    if duration_s:
        facts["duration_s"] = round(duration_s, 3)
    return facts


def _windows(
    container: InputContainer, recording: _Recording, cutter: WindowCutter
) -> Iterator[Window]:
    for samples in _resampled(container, recording):
        yield from cutter.push(samples)
    yield from cutter.finish()


def _resampled(container: InputContainer, recording: _Recording) -> Iterator[Samples]:
    """Yield (n,) float32 mono at the wanted rate."""
    resampler, known = None, None
    for frame in _decoded(container, recording):
        layout = (frame.format.name, frame.layout.name, frame.sample_rate)
        if layout != known:
            if resampler is not None:
                yield from _mono(resampler, None)
            resampler, known = _resampler(recording.rate_hz), layout
        assert resampler is not None
        frame.pts = None  # a gap in time stamps would be filled with silence, or refused
        yield from _mono(resampler, frame)
    if resampler is not None:
        yield from _mono(resampler, None)


def _resampler(rate_hz: int) -> AudioResampler:
    import av

    return av.AudioResampler(format="flt", layout="mono", rate=rate_hz)


def _mono(resampler: AudioResampler, frame: AudioFrame | None) -> Iterator[Samples]:
    for part in resampler.resample(frame):
        yield part.to_ndarray().reshape(-1).astype(np.float32, copy=False)


def _tamed(samples: Samples) -> Samples:
    """Return samples in -1..1: floats in a file can be anything, or no numbers at all."""
    return np.clip(np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0), -1.0, 1.0)


def _decoded(container: InputContainer, recording: _Recording) -> Iterator[AudioFrame]:
    import av

    packets = container.demux(recording.stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
        except av.error.MemoryError:
            raise
        except av.error.FFmpegError as error:
            recording.broken_off = media.reason_of(error)
            return
        try:
            yield from recording.stream.decode(packet)
        except av.error.MemoryError:
            raise
        except av.error.FFmpegError:
            recording.num_damaged += packet.dts is not None


def _piece_of(window: Window, rate_hz: int, facts: dict[str, Any], text: str) -> Piece:
    return Piece(
        kind="window",
        modality="audio",
        text=text,
        samples=_tamed(window.samples),
        position={
            "start_s": round(window.start / rate_hz, 3),
            "end_s": round(window.stop / rate_hz, 3),
        },
        facts=facts,
    )


def _declared_s(container: InputContainer, data: bytes, heard_s: float) -> float | None:
    """Return how long the file says that it is, or None where it does not say."""
    if data.startswith(b"RIFF"):
        # FFmpeg shortens the duration of a WAV that is cut off to what is there.
        declared_bytes = int.from_bytes(data[4:8], "little") + 8
        if declared_bytes >= _UNKNOWN_RIFF_BYTES or len(data) < _RIFF_HEADER_BYTES:
            return None
        return heard_s * declared_bytes / len(data)
    if not _DECLARING & set(container.format.name.split(",")):
        return None
    return media.declared_duration_s(container)


def _flaws(recording: _Recording, heard_s: float, declared_s: float | None) -> Iterator[Flaw]:
    if recording.num_damaged:
        detail = f"{recording.num_damaged} packets could not be decoded"
        yield Flaw("sound", "decoder_error", detail)
    rest = f"from {heard_s:.1f} s on"
    if recording.broken_off:
        yield Flaw(rest, "truncated", recording.broken_off)
    elif declared_s is not None:
        missing_s = declared_s - heard_s
        if missing_s > max(_MISSING_S, _MISSING_SHARE * declared_s):
            detail = f"the file ends {missing_s:.1f} s before its declared end"
            yield Flaw(rest, "truncated", detail)
