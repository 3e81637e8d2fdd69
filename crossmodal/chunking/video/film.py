"""Say what a film is before it is read: its main stream, its facts, its clock.

Owns the choice of the stream and whether every frame or key frames only are decoded; refuses to
read packets. Runs in the parser's child process.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crossmodal.chunking import av_container as media
from crossmodal.chunking.pieces import ClipForm
from crossmodal.chunking.rules import ChunkRules
from crossmodal.chunking.subtitles.cues import Cue
from crossmodal.errors import Refused

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

# Longer films are decoded at their key frames only: an hour of 1080p would take minutes, and
# encoders put key frames where scenes change. About a minute on two slow cores.
_EVERY_FRAME_PIXELS = 12e9
_DEFAULT_FPS = 25.0


@dataclass(slots=True)
class Film:
    """Hold what is known about the film while it is read."""

    stream: VideoStream
    rules: ChunkRules
    min_side: int | None
    start_s: float
    duration_s: float | None
    fps: float
    facts: dict[str, Any]
    text: str
    key_frames_only: bool
    clip: ClipForm | None = None
    """How clips are wanted in place of frames."""
    last_s: float = -1.0
    end_s: float = 0.0
    num_damaged: int = 0
    broken_off: str = ""
    cues: list[Cue] = field(default_factory=list)

    @property
    def pixel_shape(self) -> float:
        """Return the width of a pixel over its height."""
        return float(self.stream.codec_context.sample_aspect_ratio or 1)


def film_of(
    container: InputContainer,
    rules: ChunkRules,
    min_side: int | None,
    clip: ClipForm | None = None,
) -> Film:
    """Return what an opened container says of its film.

    Raises:
        Refused: There is no film in it, or its pictures are too large.
    """
    stream = _main_stream(container)
    codec = media.codec_name(stream)
    width, height = stream.codec_context.width, stream.codec_context.height
    check_size(width, height, rules)
    fps = float(stream.average_rate or stream.guessed_rate or _DEFAULT_FPS)
    fps = fps if 0.01 < fps < 1000 else _DEFAULT_FPS
    duration_s = media.declared_duration_s(container)
    tags = media.tags(container)
    is_long = (duration_s or 0.0) * fps * width * height > _EVERY_FRAME_PIXELS
    facts: dict[str, Any] = {"codec": codec, "fps": round(fps, 3)}
    if duration_s is not None:
        facts["duration_s"] = round(duration_s, 3)
    if is_long and rules.frames != "keyframes":
        facts["sampled"] = "keyframes"
    if "title" in tags:
        facts["title"] = tags["title"]
    return Film(
        stream=stream,
        rules=rules,
        min_side=min_side,
        start_s=(container.start_time or 0) / 1e6,
        duration_s=duration_s,
        fps=fps,
        facts=facts,
        text=media.tag_text(tags),
        key_frames_only=is_long or rules.frames == "keyframes",
        clip=clip,
    )


def _main_stream(container: InputContainer) -> VideoStream:
    """Return the largest video stream that is no cover picture."""
    from av.stream import Disposition

    films = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic
    ]
    if not films:
        raise media.without(container, "moving pictures")
    return max(films, key=_num_pixels)


def _num_pixels(stream: VideoStream) -> int:
    context = stream.codec_context
    return context.width * context.height if context is not None else 0


def check_size(width: int, height: int, rules: ChunkRules) -> None:
    """Refuse pictures that are too large; a stream may change its size on the way."""
    if width * height > rules.max_megapixels * 1e6:
        raise Refused(
            "too_many_pixels",
            f"a frame of {width} x {height} is {width * height / 1e6:.1f} megapixels; "
            f"the limit is {rules.max_megapixels:g}",
        )
