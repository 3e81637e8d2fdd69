"""Films and recordings that the tests encode themselves."""

from __future__ import annotations

import io
import tempfile
import wave
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.subtitles.subtitle import SubtitleSet

from crossmodal.chunking.pieces import CutTools

FPS = 10
COLOURS = ((200, 40, 40), (40, 200, 40), (40, 40, 200), (200, 200, 40), (200, 40, 200))


class WordMeasure:
    """Count words as tokens."""

    fingerprint = "words"

    def __init__(self, max_tokens: int = 60) -> None:
        self.max_tokens = max_tokens

    def count(self, text: str) -> int:
        return len(self.offsets(text))

    def offsets(self, text: str) -> list[tuple[int, int]]:
        offsets, at = [], 0
        for word in text.split():
            start = text.index(word, at)
            at = start + len(word)
            offsets.append((start, at))
        return offsets


def tools(max_tokens: int = 60, sample_rate_hz: int = 16_000, min_side: int | None = None):
    """Return what a chunker borrows, with words for tokens."""
    return CutTools(
        measure=WordMeasure(max_tokens), sample_rate_hz=sample_rate_hz, min_side=min_side
    )


def scene(colour: tuple[int, int, int], size: tuple[int, int] = (96, 64)) -> npt.NDArray[np.uint8]:
    """Return a picture of one colour with a white square in its upper left corner."""
    picture = np.full((size[1], size[0], 3), colour, np.uint8)
    picture[: size[1] // 4, : size[0] // 4] = 255
    return picture


def scenes(seconds: Sequence[float], size: tuple[int, int] = (96, 64)) -> list[np.ndarray]:
    """Return the pictures of a film whose scenes last so long, each of another colour."""
    return [
        scene(COLOURS[number % len(COLOURS)], size)
        for number, length_s in enumerate(seconds)
        for _ in range(round(length_s * FPS))
    ]


def film(
    pictures: Iterable[npt.NDArray[np.uint8]],
    container: str = "mp4",
    *,
    codec: str = "mpeg4",
    options: dict[str, str] | None = None,
    rotation: int = 0,
    mirrored: bool = False,
    pixel_shape: Fraction | None = None,
    subtitles: str = "",
    title: str = "",
    index_first: bool = False,
) -> bytes:
    """Encode a film of ten pictures a second."""
    pictures = list(pictures)
    movflags = {"movflags": "faststart"} if index_first else {}
    # To a file, because putting the index first reads back what was written.
    with tempfile.NamedTemporaryFile() as file:
        with av.open(file.name, "w", format=container, options=movflags) as output:
            output.metadata.update({"title": title} if title else {})
            video = _video_stream(output, codec, options, pictures)
            if rotation or mirrored:
                video.set_display_rotation(rotation, hflip=mirrored)
            if pixel_shape:
                video.codec_context.sample_aspect_ratio = pixel_shape
            if subtitles:
                _mux_subtitles(output, subtitles)
            for picture in pictures:
                output.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            output.mux(video.encode())
        return Path(file.name).read_bytes()


def _video_stream(output, codec, options, pictures):
    video = output.add_stream(codec, rate=FPS, options=options)
    video.height, video.width = pictures[0].shape[:2]
    video.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    return video


def subtitled_mp4(pictures: Iterable[npt.NDArray[np.uint8]], text: str) -> bytes:
    """Encode a film with one subtitle from 0.5 to 1.5 s, kept as MP4 keeps them."""
    pictures = list(pictures)
    with tempfile.NamedTemporaryFile() as file:
        with av.open(file.name, "w", format="mp4") as output:
            video = _video_stream(output, "mpeg4", None, pictures)
            track = output.add_stream("mov_text")
            track.codec_context.subtitle_header = b"[Script Info]\n\n[Events]\n"
            track.codec_context.time_base = Fraction(1, 1000)
            for picture in pictures:
                output.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            output.mux(video.encode())
            cue = SubtitleSet.create(text=b"0,0,Default,,0,0,0,," + text.encode(), start=0, end=1)
            packet = track.codec_context.encode_subtitle(cue)
            packet.stream, packet.time_base = track, Fraction(1, 1000)
            packet.pts = packet.dts = 500
            packet.duration = 1000
            output.mux(packet)
        return Path(file.name).read_bytes()


def film_with_sound(
    pictures: Iterable[npt.NDArray[np.uint8]], samples: npt.NDArray[np.float32]
) -> bytes:
    """Encode a film as Matroska with mono samples of 16 kHz."""
    pictures = list(pictures)
    stream = io.BytesIO()
    with av.open(stream, "w", format="matroska") as output:
        video = _video_stream(output, "mpeg4", None, pictures)
        audio = output.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for picture in pictures:
            output.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(video.encode())
        ints = (samples * 32_767).astype("<i2").reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(ints, format="s16", layout="mono")
        frame.sample_rate = 16_000
        output.mux(audio.encode(frame))
        output.mux(audio.encode())
    return stream.getvalue()


def _mux_subtitles(output, text: str) -> None:
    with av.open(io.BytesIO(text.encode()), format="srt") as source:
        track = output.add_stream_from_template(source.streams.subtitles[0])
        track.metadata["language"] = "eng"
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = track
                output.mux(packet)


def tone(seconds: float, rate_hz: int = 16_000, pitch_hz: float = 440.0) -> np.ndarray:
    """Return a sine, (n,) float32 in -0.5..0.5."""
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    return (0.5 * np.sin(2 * np.pi * pitch_hz * times)).astype(np.float32)


def wav(samples: npt.NDArray[np.float32], rate_hz: int = 16_000) -> bytes:
    """Write (n,) or (n, channels) samples as 16 bit WAV."""
    stream = io.BytesIO()
    with wave.open(stream, "wb") as output:
        output.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        output.setsampwidth(2)
        output.setframerate(rate_hz)
        output.writeframes((samples * 32_767).astype("<i2").tobytes())
    return stream.getvalue()


def recording(
    samples: npt.NDArray[np.float32], container: str, codec: str, rate_hz: int = 16_000, **tags: str
) -> bytes:
    """Encode mono samples with a codec."""
    stream = io.BytesIO()
    with av.open(stream, "w", format=container) as output:
        output.metadata.update(tags)
        audio = output.add_stream(codec, rate=rate_hz, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="fltp", layout="mono")
        frame.sample_rate = rate_hz
        output.mux(audio.encode(frame))
        output.mux(audio.encode())
    return stream.getvalue()
