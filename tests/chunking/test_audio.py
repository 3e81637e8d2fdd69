"""Cut recordings that the tests make themselves, and real ones."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from crossmodal.chunking.audio import cut as audio
from crossmodal.chunking.audio.windows import WindowCutter
from crossmodal.chunking.pieces import Flaw, Piece, Source
from crossmodal.chunking.rules import ChunkRules
from crossmodal.errors import Refused
from tests.chunking.clips import film, recording, scenes, tone, tools, wav

RATE = 16_000


def cut(data: bytes, rules: ChunkRules | None = None, rate_hz: int = RATE) -> list[Piece | Flaw]:
    source = Source("file:///sounds/one.wav", "audio/wav", data)
    return list(audio.cut(source, rules or ChunkRules(), tools(sample_rate_hz=rate_hz)))


def refusal(data: bytes, rules: ChunkRules | None = None) -> Refused:
    with pytest.raises(Refused) as caught:
        cut(data, rules)
    return caught.value


def spans(pieces):
    return [(piece.position["start_s"], piece.position["end_s"]) for piece in pieces]


def test_a_long_recording_gives_windows_that_overlap() -> None:
    pieces = cut(wav(tone(26.0)))
    assert spans(pieces) == [(0.0, 10.0), (8.0, 18.0), (16.0, 26.0)]
    for piece in pieces:
        assert (piece.kind, piece.modality) == ("window", "audio")
        assert piece.samples.dtype == np.float32
        assert piece.samples.shape == (10 * RATE,)


def test_the_last_window_is_as_long_as_the_others_and_ends_with_the_sound() -> None:
    assert spans(cut(wav(tone(21.0)))) == [(0.0, 10.0), (8.0, 18.0), (11.0, 21.0)]


def test_a_rest_that_cannot_be_heard_gets_no_window() -> None:
    assert spans(cut(wav(tone(10.3)))) == [(0.0, 10.0)]


def test_windows_hold_the_samples_of_their_time() -> None:
    rising = np.linspace(0, 0.9, 21 * RATE, dtype=np.float32)
    for piece in cut(wav(rising)):
        start = round(piece.position["start_s"] * RATE)
        wanted = rising[start : start + len(piece.samples)]
        assert np.abs(piece.samples - wanted).max() < 1e-3


def test_a_short_sound_is_followed_by_silence_up_to_a_second() -> None:
    (piece,) = cut(wav(tone(0.25)))
    assert piece.samples.shape == (RATE,)
    assert spans([piece]) == [(0.0, 0.25)]
    assert np.abs(piece.samples[RATE // 2 :]).max() == 0
    assert np.abs(piece.samples[: RATE // 4]).max() > 0.4


def test_silence_is_a_recording_like_any_other() -> None:
    (piece,) = cut(wav(np.zeros(3 * RATE, np.float32)))
    assert np.abs(piece.samples).max() == 0


def test_channels_are_mixed_and_the_rate_is_the_one_asked_for() -> None:
    left = tone(2.0, 44_100)
    stereo = np.stack([left, np.zeros_like(left)], axis=1)
    (piece,) = cut(wav(stereo, 44_100), rate_hz=48_000)
    assert piece.samples.shape == (96_000,)
    assert 0.2 < np.abs(piece.samples).max() < 0.4
    spectrum = np.abs(np.fft.rfft(piece.samples))
    assert np.argmax(spectrum) / 2.0 == pytest.approx(440, abs=1)
    assert piece.facts == {
        "codec": "pcm_s16le",
        "channels": 2,
        "sample_rate_hz": 44_100,
        "duration_s": 2.0,
    }


@pytest.mark.parametrize(
    ("container", "codec"),
    [("mp3", "libmp3lame"), ("mp4", "aac"), ("adts", "aac"), ("matroska", "aac")],
)
def test_usual_containers_and_codecs_are_read(container: str, codec: str) -> None:
    (piece,) = cut(recording(tone(3.0), container, codec))
    assert piece.position["end_s"] == pytest.approx(3.0, abs=0.2)
    assert piece.facts["duration_s"] == pytest.approx(3.0, abs=0.2)
    assert 0.3 < np.abs(piece.samples[RATE:-RATE]).max() < 0.7


def test_tags_become_words_and_facts() -> None:
    (piece,) = cut(recording(tone(2.0), "mp4", "aac", title="Rain", artist="The Sky"))
    assert piece.text == "title: Rain. artist: The Sky"
    assert (piece.facts["title"], piece.facts["artist"]) == ("Rain", "The Sky")


def test_samples_that_are_no_numbers_become_silence() -> None:
    samples = tone(2.0)
    samples[100:200], samples[300:400] = np.nan, 1e30
    body = samples.astype("<f4").tobytes()
    form = struct.pack("<HHIIHH", 3, 1, RATE, RATE * 4, 4, 32)
    riff = (
        b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(body)) + body
    )
    (piece,) = cut(b"RIFF" + struct.pack("<I", len(riff)) + riff)
    assert np.isfinite(piece.samples).all()
    assert np.abs(piece.samples).max() <= 1


def test_a_recording_that_is_cut_off_gives_what_is_there_and_says_so() -> None:
    data = wav(np.random.default_rng(1).normal(0, 0.2, 30 * RATE).astype(np.float32))
    *windows, flaw = cut(data[: len(data) // 2])
    assert np.array(spans(windows)) == pytest.approx(np.array([(0, 10), (5, 15)]), abs=0.01)
    assert isinstance(flaw, Flaw)
    assert flaw.reason == "truncated"
    assert "15.0 s" in flaw.detail


def test_a_film_without_sound_is_no_recording() -> None:
    assert refusal(film(scenes([1]))).reason == "no_content"


def test_what_is_no_recording_is_refused() -> None:
    assert refusal(b"").reason == "empty"
    assert refusal(b"words " * 500).reason == "unidentified_format"
    assert refusal(b"#EXTM3U\nhttp://example.org/a.mp3\n").reason == "unidentified_format"
    assert refusal(wav(np.zeros(0, np.float32))).reason in {"no_content", "decoder_error"}
    assert refusal(recording(tone(2.0), "mp4", "aac")[:300]).reason == "truncated"


def test_too_many_windows_are_refused() -> None:
    refused = refusal(wav(tone(20.0)), ChunkRules(max_chunks=3, audio_window_s=4))
    assert refused.reason == "too_many_chunks"


def test_an_overlap_as_long_as_the_window_is_an_error_of_the_caller() -> None:
    with pytest.raises(ValueError, match="audio_overlap_s=10"):
        cut(wav(tone(1.0)), ChunkRules(audio_overlap_s=10.0))


@pytest.mark.parametrize("num_at_once", [1, 7, 1000])
def test_windows_do_not_depend_on_how_the_samples_come(num_at_once: int) -> None:
    samples = np.arange(95, dtype=np.float32)
    cutter = WindowCutter(10, 2.0, 0.5)
    windows = []
    for start in range(0, len(samples), num_at_once):
        windows.extend(cutter.push(samples[start : start + num_at_once]))
    windows.extend(cutter.finish())
    assert [window.start for window in windows] == [0, 15, 30, 45, 60, 75]
    for window in windows:
        assert window.samples.tolist() == samples[window.start : window.stop].tolist()


def test_one_clip_sounds_alike_in_four_containers(shared_data: Path) -> None:
    levels = []
    for path in sorted((shared_data / "audio" / "formats").glob("sample_10s*")):
        (piece,) = cut(path.read_bytes())
        assert piece.position["end_s"] == pytest.approx(10.0, abs=0.05)
        assert piece.facts["duration_s"] == pytest.approx(10.0, abs=0.2)
        levels.append(np.sqrt(np.square(piece.samples).mean()))
    assert len(levels) == 4
    assert np.ptp(levels) < 0.1 * np.mean(levels)


def test_real_recordings_are_read_to_their_end(shared_data: Path) -> None:
    paths = [*(shared_data / "audio").rglob("*.wav"), *(shared_data / "audio").rglob("*.ogg")]
    assert len(paths) > 80
    for path in paths[::8]:
        pieces = cut(path.read_bytes())
        assert all(isinstance(piece, Piece) for piece in pieces), path
        assert pieces[-1].position["end_s"] == pytest.approx(pieces[0].facts["duration_s"], abs=0.1)
