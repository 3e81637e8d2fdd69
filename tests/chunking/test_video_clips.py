"""Films are cut into clips of a few frames where that is asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from crossmodal.chunking.pieces import ClipForm, Flaw, Piece, Source
from crossmodal.chunking.rules import ChunkRules
from crossmodal.chunking.video import cut as video
from crossmodal.chunking.video.moments import Moments
from crossmodal.errors import Refused
from tests.chunking.clips import COLOURS, film, scenes, tools
from tests.chunking.test_video import SRT, colour_of, is_near, spans

CLIPS = ChunkRules(clips=True)


FORM = ClipForm(4, 48)


def cut(data: bytes, rules: ChunkRules = CLIPS, form: ClipForm | None = FORM) -> list[Piece | Flaw]:
    source = Source("file:///films/clip.mp4", "video/mp4", data)
    return list(video.cut(source, rules, replace(tools(), clip=form)))


@pytest.fixture(scope="module")
def three_scenes() -> bytes:
    return film(scenes([2, 3, 1]), "matroska", subtitles=SRT)


def test_each_scene_gives_a_clip_of_its_own_frames(three_scenes: bytes) -> None:
    pieces = cut(three_scenes)
    clips = [piece for piece in pieces if piece.kind == "clip"]
    assert spans(clips) == [(0.0, 2.0), (2.0, 5.0), (5.0, 6.0)]
    for clip, colour in zip(clips, COLOURS, strict=False):
        assert clip.modality == "image"
        assert clip.picture is None, "it would only travel for nothing"
        assert clip.facts["num_frames"] == len(clip.moments) == 4
        assert all(is_near(colour_of(moment.picture), colour) for moment in clip.moments)
        assert all(moment.picture.shape == (48, 72, 3) for moment in clip.moments)
        length_s = clip.position["end_s"] - clip.position["start_s"]
        at_s = [moment.time_s for moment in clip.moments]
        assert at_s[0] == 0
        assert length_s * 0.75 <= at_s[-1] < length_s
        assert max(np.diff(at_s)) <= 2 * min(np.diff(at_s))


def test_subtitles_belong_to_the_clip_that_is_shown(three_scenes: bytes) -> None:
    cues = [piece for piece in cut(three_scenes) if piece.kind == "cue"]
    assert [cue.parent for cue in cues] == [0, 2]


def test_frame_that_stands_for_a_clip_comes_along_where_it_is_read(three_scenes: bytes) -> None:
    clip = cut(three_scenes, replace(CLIPS, ocr=True))[1]
    assert clip.picture.shape == (64, 96, 3)
    assert clip.position["start_s"] <= clip.position["frame_s"] < clip.position["end_s"]


def test_clips_stand_where_frames_would(three_scenes: bytes) -> None:
    frames = cut(three_scenes, ChunkRules())
    clips = cut(three_scenes)
    assert [piece.position for piece in frames] == [piece.position for piece in clips]
    assert {piece.kind for piece in frames} == {"frame", "cue"}


def test_key_frames_alone_give_clips_of_one_frame() -> None:
    data = film(scenes([6]), options={"g": "20", "sc_threshold": "0"})
    clips = cut(data, replace(CLIPS, frames="keyframes"))
    assert [len(clip.moments) for clip in clips] == [1, 1, 1]


def test_model_that_takes_no_clips_has_the_film_refused(three_scenes: bytes) -> None:
    with pytest.raises(Refused, match="takes no clips") as caught:
        cut(three_scenes, form=None)
    assert caught.value.reason == "no_clips"


def test_film_that_is_cut_off_gives_the_clips_that_are_there() -> None:
    noise = np.random.default_rng(3).integers(0, 255, (60, 64, 96, 3)).astype(np.uint8)
    data = film(noise, options={"g": "10"}, index_first=True)
    *clips, flaw = cut(data[: len(data) * 6 // 10], replace(CLIPS, frame_interval_s=1.0))
    assert isinstance(flaw, Flaw)
    assert flaw.reason == "truncated"
    assert 2 <= len(clips) <= 5


@pytest.mark.parametrize("num_frames", [1, 3, 8])
@pytest.mark.parametrize("seconds", [0.1, 1, 7, 600])
def test_frames_are_spread_over_a_clip_however_long_it_is(num_frames: int, seconds: float) -> None:
    moments, held = Moments(num_frames), 0
    for number in range(round(seconds * 25)):
        moments.offer(100 + number / 25, lambda: np.zeros((2, 2, 3), np.uint8))
        held = max(held, len(moments._kept))
    chosen = [moment.time_s for moment in moments.end(100.0)]
    assert held <= 4 * num_frames
    assert len(chosen) == (1 if seconds < 0.12 else num_frames)
    assert chosen[0] == 0
    if len(chosen) > 1:
        assert 0.85 * seconds <= chosen[-1] < seconds
        assert max(np.diff(chosen)) <= 2 * min(np.diff(chosen))
    assert moments.end(200.0) == ()
