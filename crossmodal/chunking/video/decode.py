"""Read one film in the parser's child process: chosen frames or clips, subtitle tracks as cues.

Owns the walk over packets and what damage means; ``shots`` and ``moments`` choose the frames.
Memory holds one film's bytes, FFmpeg's buffers, two frames and those of a clip. A packet that
cannot be decoded is counted and the walk goes on; a film that ends before it should, or without a
picture, says so.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from crossmodal.chunking import av_container as media
from crossmodal.chunking.pieces import ClipForm, Flaw, Moment, Piece
from crossmodal.chunking.rules import ChunkRules
from crossmodal.chunking.subtitles.cues import Cue
from crossmodal.chunking.video.film import Film, check_size, film_of
from crossmodal.chunking.video.moments import Moments
from crossmodal.chunking.video.picture import is_turned, picture_of, shown_size, signature_of
from crossmodal.chunking.video.shots import Sampler, Shot, sampler
from crossmodal.chunking.video.tracks import cue_of, text_tracks
from crossmodal.errors import Refused

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame

_MAX_THREADS = 4
_MISSING_SHARE, _MISSING_S = 0.02, 1.0
_MAX_CUES = 100_000


def frames(
    data: bytes, rules: ChunkRules, min_side: int | None, clip: ClipForm | None = None
) -> Iterator[Piece | Cue | Flaw]:
    """Yield frames as pieces in order of time, then the cues of subtitle tracks, then flaws.

    With ``clip`` the pieces are clips of that form, of what each frame stands for.

    Raises:
        Refused: No container of films, no picture in it, or pictures that are too large.
    """
    with media.open_media(data, media.VIDEO_CONTAINERS) as container:
        film = film_of(container, rules, min_side, clip)
        num_frames = 0
        for shot, moments, end_s in _with_ends(_shots(container, film), film):
            piece = _piece_of(shot, end_s, film)
            yield _clip_of(piece, moments) if clip else piece
            num_frames += 1
        if not num_frames:
            raise Refused(*_why_no_frame(film))
        yield from film.cues
        yield from _flaws(film)


def _shots(container: InputContainer, film: Film) -> Iterator[tuple[Shot, tuple[Moment, ...]]]:
    """Yield shots, each with the frames of its clip; none where no clips are wanted."""
    from av.video.reformatter import VideoReformatter

    chooser = sampler(film.rules.frames, film.rules.frame_interval_s)
    reformatter = VideoReformatter()
    moments = Moments(film.clip.num_frames if film.clip else 0)
    for frame in _decoded(container, film):
        signature = signature_of(frame, reformatter) if chooser.needs_signature else None
        ended = _push(chooser, film, frame, signature)
        if ended is not None:
            yield ended, moments.end(ended.start_s)
        if film.clip is not None:
            drawn = partial(picture_of, frame, film.pixel_shape, film.clip.side_px)
            moments.offer(film.last_s, drawn)
    last = chooser.finish()
    if last is not None:
        yield last, moments.end(last.start_s)


def _push(chooser: Sampler, film: Film, frame: VideoFrame, signature: Any) -> Shot | None:
    return chooser.push(film.last_s, frame, is_key=frame.key_frame, signature=signature)


def _decoded(container: InputContainer, film: Film) -> Iterator[VideoFrame]:
    """Yield whole frames whose time moves forward; ``film.last_s`` is the time of the last."""
    context = film.stream.codec_context
    film.stream.thread_type = "AUTO"
    context.thread_count = min(_MAX_THREADS, os.cpu_count() or 1)
    if film.key_frames_only:
        context.skip_frame = "NONKEY"
    for packet in _packets(container, film):
        for frame in _decode(packet, film):
            time_s = frame.time
            time_s = film.last_s + 1 / film.fps if time_s is None else time_s - film.start_s
            if frame.is_corrupt or time_s <= film.last_s:
                continue
            check_size(frame.width, frame.height, film.rules)
            film.last_s = max(0.0, time_s)
            yield frame


def _packets(container: InputContainer, film: Film) -> Iterator[Packet[Any]]:
    """Yield the film's packets, and put aside the cues that lie between them."""
    import av

    tracks = text_tracks(container)
    packets = container.demux()
    while True:
        try:
            packet = next(packets, None)
        except av.error.MemoryError:
            raise
        except av.error.FFmpegError as error:
            film.broken_off = media.reason_of(error)
            return
        if packet is None:
            return
        if packet.pts is not None and packet.time_base is not None:
            end = (packet.pts + (packet.duration or 0)) * packet.time_base
            film.end_s = max(film.end_s, float(end) - film.start_s)
        if packet.stream.index in tracks and len(film.cues) < _MAX_CUES:
            film.cues.extend(cue_of(packet, tracks[packet.stream.index], film.start_s))
        if packet.stream.index == film.stream.index:
            yield packet


def _decode(packet: Packet[Any], film: Film) -> list[VideoFrame]:
    import av

    try:
        return film.stream.decode(packet)
    except av.error.MemoryError:
        raise
    except av.error.FFmpegError:
        film.num_damaged += packet.dts is not None
        return []


def _with_ends(
    shots: Iterator[tuple[Shot, tuple[Moment, ...]]], film: Film
) -> Iterator[tuple[Shot, tuple[Moment, ...], float]]:
    """Add to each shot where the next one starts."""
    waiting: tuple[Shot, tuple[Moment, ...]] | None = None
    for shot, moments in shots:
        if waiting is not None:
            yield *waiting, shot.start_s
        waiting = shot, moments
    if waiting is not None:
        last_frame_s = film.last_s + 1 / film.fps
        known_s = film.end_s if film.duration_s is None else min(film.end_s, film.duration_s)
        yield *waiting, max(last_frame_s, known_s)


def _piece_of(shot: Shot, end_s: float, film: Film) -> Piece:
    frame = shot.frame
    width, height = shown_size(frame.width, frame.height, film.pixel_shape)
    if is_turned(frame):
        width, height = height, width
    side_px = 2 * film.min_side if film.min_side else None
    # Of a clip the frame that stands for it is only read.
    is_wanted = film.clip is None or film.rules.ocr
    return Piece(
        kind="frame",
        modality="image",
        text=film.text,
        picture=picture_of(frame, film.pixel_shape, side_px) if is_wanted else None,
        position={
            "start_s": round(shot.start_s, 3),
            "end_s": round(end_s, 3),
            "frame_s": round(shot.frame_s, 3),
        },
        facts={**film.facts, "width": width, "height": height},
    )


def _clip_of(piece: Piece, moments: tuple[Moment, ...]) -> Piece:
    facts = {**piece.facts, "num_frames": len(moments)}
    return replace(piece, kind="clip", moments=moments, facts=facts)


def _why_no_frame(film: Film) -> tuple[str, str]:
    if film.broken_off or film.num_damaged or _missing_s(film):
        return "truncated", f"no frame could be decoded ({film.broken_off or 'damaged or cut off'})"
    return "no_content", "the video stream holds no frame"


def _missing_s(film: Film) -> float:
    """Return how much of the declared duration is not there, 0 where that may be rounding."""
    missing_s = (film.duration_s or 0.0) - film.end_s
    tolerated_s = max(_MISSING_S, _MISSING_SHARE * (film.duration_s or 0.0))
    return missing_s if missing_s > tolerated_s else 0.0


def _flaws(film: Film) -> Iterator[Flaw]:
    if film.num_damaged:
        yield Flaw("frames", "decoder_error", f"{film.num_damaged} packets could not be decoded")
    rest, missing_s = f"from {film.end_s:.1f} s on", _missing_s(film)
    if film.broken_off:
        yield Flaw(rest, "truncated", film.broken_off)
    elif missing_s:
        detail = f"the file ends {missing_s:.1f} s before its declared end"
        yield Flaw(rest, "truncated", detail)
