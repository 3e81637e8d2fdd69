"""Cut films that the tests encode themselves."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from crossmodal.chunking.pieces import Flaw, Piece, Source
from crossmodal.chunking.rules import ChunkRules
from crossmodal.chunking.video import cut as video
from crossmodal.chunking.video import decode
from crossmodal.chunking.video import film as video_film
from crossmodal.errors import Refused
from tests.chunking.clips import COLOURS, film, recording, scene, scenes, subtitled_mp4, tone, tools

SRT = (
    "1\n00:00:00,500 --> 00:00:01,500\n<i>A red</i> beginning.\n\n"
    "2\n00:00:05,000 --> 00:00:06,000\nAnd blue,\nat the end.\n"
)


def cut(data: bytes, rules: ChunkRules | None = None, **lent) -> list[Piece | Flaw]:
    source = Source("file:///films/clip.mp4", "video/mp4", data)
    return list(video.cut(source, rules or ChunkRules(), tools(**lent)))


def refusal(data: bytes, rules: ChunkRules | None = None) -> Refused:
    with pytest.raises(Refused) as caught:
        cut(data, rules)
    return caught.value


def colour_of(picture: np.ndarray) -> tuple[int, ...]:
    return tuple(np.median(picture.reshape(-1, 3), axis=0).astype(int))


def is_near(colour, wanted) -> bool:
    return max(abs(one - other) for one, other in zip(colour, wanted, strict=True)) < 12


def spans(pieces):
    return [(piece.position["start_s"], piece.position["end_s"]) for piece in pieces]


@pytest.fixture(scope="module")
def three_scenes() -> bytes:
    return film(scenes([2, 3, 1]), title="Three colours", index_first=True)


def test_each_scene_gives_a_frame_in_its_own_colour(three_scenes: bytes) -> None:
    pieces = cut(three_scenes)
    assert spans(pieces) == [(0.0, 2.0), (2.0, 5.0), (5.0, 6.0)]
    for piece, colour in zip(pieces, COLOURS, strict=False):
        assert (piece.kind, piece.modality) == ("frame", "image")
        assert piece.picture.dtype == np.uint8
        assert piece.picture.shape == (64, 96, 3)
        assert is_near(colour_of(piece.picture), colour)
        assert piece.position["start_s"] <= piece.position["frame_s"] < piece.position["end_s"]


def test_a_frame_knows_its_film(three_scenes: bytes) -> None:
    piece = cut(three_scenes)[0]
    assert piece.facts == {
        "codec": "mpeg4",
        "fps": 10.0,
        "duration_s": 6.0,
        "width": 96,
        "height": 64,
        "title": "Three colours",
    }
    assert piece.text == "title: Three colours"


def test_an_interval_gives_a_frame_every_so_many_seconds(three_scenes: bytes) -> None:
    pieces = cut(three_scenes, ChunkRules(frames="interval", frame_interval_s=1.5))
    assert [start for start, _ in spans(pieces)] == [0.0, 1.5, 3.0, 4.5]


def test_key_frames_are_taken_where_the_encoder_put_them() -> None:
    data = film(scenes([6]), options={"g": "20", "sc_threshold": "0"})
    pieces = cut(data, ChunkRules(frames="keyframes"))
    assert [start for start, _ in spans(pieces)] == [0.0, 2.0, 4.0]


@pytest.mark.parametrize(
    ("container", "codec", "options"),
    [
        ("matroska", "libx264", None),
        ("webm", "libvpx", None),
        ("avi", "mpeg4", None),
        ("avi", "mjpeg", None),
        ("mpegts", "libx264", None),
        ("mov", "libx265", {"x265-params": "log-level=0"}),
        ("flv", "flv", None),
    ],
)
def test_usual_containers_and_codecs_are_read(container: str, codec: str, options) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"this build of FFmpeg cannot write {codec}")
    pieces = cut(film(scenes([2, 2]), container, codec=codec, options=options))
    assert [round(start, 1) for start, _ in spans(pieces)] == [0.0, 2.0]
    assert is_near(colour_of(pieces[1].picture), COLOURS[1])


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_turned_film_comes_out_as_a_viewer_sees_it(rotation: int, mirrored: bool) -> None:
    stored = scene(COLOURS[2])
    piece = cut(film([stored] * 10, rotation=rotation, mirrored=mirrored))[0]
    flipped = stored[:, ::-1] if mirrored else stored
    seen = np.rot90(flipped, rotation // 90)
    if mirrored and rotation % 180:  # the container mirrors after turning
        seen = np.rot90(stored, rotation // 90)[:, ::-1]
    assert piece.picture.shape == seen.shape
    assert np.abs(piece.picture.astype(int) - seen).mean() < 12
    assert (piece.facts["height"], piece.facts["width"]) == seen.shape[:2]


def test_narrow_pixels_are_stretched_to_square_ones() -> None:
    piece = cut(film(scenes([1]), "matroska", pixel_shape=Fraction(3, 2)))[0]
    assert piece.picture.shape == (64, 144, 3)


def test_a_large_frame_is_scaled_to_twice_what_the_encoder_wants() -> None:
    data = film(scenes([1], size=(640, 480)))
    piece = cut(data, min_side=112)[0]
    assert piece.picture.shape == (224, 299, 3)
    assert (piece.facts["width"], piece.facts["height"]) == (640, 480)
    assert cut(data, min_side=400)[0].picture.shape == (480, 640, 3)


def test_high_definition_colours_are_those_that_were_filmed() -> None:
    picture = scene((200, 40, 40), (1280, 720))
    from_hd = cut(film([picture] * 2), min_side=64)[0]
    # The encoder here writes BT.601 without saying so; a player assumes BT.709 at this size.
    assert not is_near(colour_of(from_hd.picture), (200, 40, 40))
    assert is_near(colour_of(from_hd.picture), (213, 56, 38))


def test_subtitles_in_a_film_belong_to_the_frame_that_is_shown(three_scenes: bytes) -> None:
    pieces = cut(film(scenes([2, 3, 2]), "matroska", subtitles=SRT))
    frames = [piece for piece in pieces if piece.kind == "frame"]
    cues = [piece for piece in pieces if piece.kind == "cue"]
    assert pieces == frames + cues
    assert [cue.text for cue in cues] == ["A red beginning.", "And blue, at the end."]
    assert [cue.parent for cue in cues] == [0, 2]
    assert spans(cues) == [(0.5, 1.5), (5.0, 6.0)]
    assert cues[0].facts == {"format": "track", "language": "eng"}
    assert cues[0].modality == "text"


def test_subtitles_are_read_as_mp4_keeps_them() -> None:
    (cue,) = [
        piece
        for piece in cut(subtitled_mp4(scenes([2]), "{\\i1}Hello{\\i0} there\\Nyou"))
        if piece.kind == "cue"
    ]
    assert cue.text == "Hello there you"
    assert spans([cue]) == [(0.5, 1.5)]


def test_a_film_that_is_cut_off_gives_what_is_there_and_says_so() -> None:
    noise = np.random.default_rng(3).integers(0, 255, (60, 64, 96, 3)).astype(np.uint8)
    data = film(noise, options={"g": "10"}, index_first=True)
    *frames, flaw = cut(data[: len(data) * 6 // 10], ChunkRules(frame_interval_s=1.0))
    assert isinstance(flaw, Flaw)
    assert flaw.reason == "truncated"
    assert 2 <= len([piece for piece in frames if isinstance(piece, Piece)]) <= 5


def test_damage_in_the_middle_costs_only_what_it_hits() -> None:
    noise = np.random.default_rng(3).integers(0, 255, (60, 64, 96, 3)).astype(np.uint8)
    data = bytearray(film(noise, options={"g": "10"}, index_first=True))
    middle = len(data) // 2
    data[middle : middle + 20_000] = bytes(20_000)
    pieces = cut(bytes(data), ChunkRules(frame_interval_s=1.0))
    starts = [piece.position["start_s"] for piece in pieces if isinstance(piece, Piece)]
    assert starts[0] == 0.0
    assert starts[-1] >= 5.0


def test_a_film_whose_index_was_cut_off_is_refused(three_scenes: bytes) -> None:
    data = film(scenes([2]))
    assert refusal(data[: len(data) // 2]).reason == "truncated"


def test_what_is_no_film_is_refused() -> None:
    assert refusal(b"").reason == "empty"
    assert refusal(b"just words, renamed\n" * 200).reason == "unidentified_format"
    assert refusal(bytes(5000)).reason == "unidentified_format"
    assert refusal(film(scenes([1]))[:40]).reason == "truncated"


def test_a_playlist_cannot_make_another_file_be_read(tmp_path) -> None:
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(film(scenes([1])))
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{secret}\n#EXT-X-ENDLIST\n"
    assert refusal(playlist.encode()).reason == "unidentified_format"
    concat = f"ffconcat version 1.0\nfile '{secret}'\n"
    assert refusal(concat.encode()).reason == "unidentified_format"


def test_sound_alone_is_no_film() -> None:
    refused = refusal(recording(tone(1.0), "mp4", "aac"))
    assert refused.reason == "no_content"
    assert "audio" in refused.detail


def test_too_many_frames_are_refused(three_scenes: bytes) -> None:
    assert refusal(three_scenes, ChunkRules(max_chunks=2)).reason == "too_many_chunks"


def test_huge_pictures_are_refused_before_they_are_decoded(three_scenes: bytes) -> None:
    assert refusal(three_scenes, ChunkRules(max_megapixels=0.001)).reason == "too_many_pixels"


def test_a_film_that_takes_too_long_is_refused(three_scenes: bytes) -> None:
    assert refusal(three_scenes, ChunkRules(max_seconds=0.001)).reason == "timed_out"


def test_a_long_film_is_read_at_its_key_frames(monkeypatch) -> None:
    data = film(scenes([2, 3, 1]), options={"g": "10"})
    monkeypatch.setattr(video_film, "_EVERY_FRAME_PIXELS", 1000)
    pieces = list(decode.frames(data, ChunkRules(), None))
    assert {piece.facts["sampled"] for piece in pieces} == {"keyframes"}
    assert [piece.position["start_s"] for piece in pieces] == [0.0, 2.0, 5.0]
