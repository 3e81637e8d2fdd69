"""What is said in sound and films is found by its words and second, once it is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crossmodal.errors import ModelUnsupported
from crossmodal.ledger.collection import Collection
from crossmodal.recognition.speech import SpeechReader
from flows.index import index
from flows.search import search
from tests.chunking.clips import film_with_sound, scenes, subtitled_mp4, tone, wav
from tests.tiny_whisper import WORD, build_tiny_whisper

pytestmark = pytest.mark.usefixtures("prefect")


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(build_tiny_whisper(tmp_path_factory.mktemp("whisper") / "tiny"))


@pytest.fixture
def talks(tmp_path: Path) -> Path:
    """Return recordings with a voice, in silence and with subtitles, and films of each kind."""
    folder = tmp_path / "talks"
    folder.mkdir()
    (folder / "voice.wav").write_bytes(wav(tone(20)))
    (folder / "silence.wav").write_bytes(wav(tone(3) * 0))
    (folder / "written.wav").write_bytes(wav(tone(3)))
    (folder / "written.en.srt").write_text("1\n00:00:00,000 --> 00:00:02,000\nBy hand.\n")
    (folder / "spoken.mkv").write_bytes(film_with_sound(scenes([1.0, 1.0]), tone(2)))
    (folder / "mute.mp4").write_bytes(subtitled_mp4(scenes([2.0]), "On the track."))
    return folder


def run_index(tmp_path: Path, talks: Path, model: Path, **options: Any) -> dict[str, Any]:
    collection = str(tmp_path / "talks.duckdb")
    given = {"min_coverage": 0.0, "model": str(model)} | options
    return dict(index(collection=collection, paths=[str(talks)], **given))


def spoken(tmp_path: Path) -> dict[str, list[tuple[float, float, str]]]:
    with Collection(tmp_path / "talks.duckdb").read() as con:
        rows = con.execute(
            "SELECT parse_filename(uri), (meta->>'start_s')::DOUBLE, (meta->>'end_s')::DOUBLE, "
            "text FROM chunk JOIN source USING (content_hash) WHERE kind = 'speech' "
            "ORDER BY uri, ordinal"
        ).fetchall()
    found: dict[str, list[tuple[float, float, str]]] = {}
    for name, *rest in rows:
        found.setdefault(name, []).append(tuple(rest))
    return found


def test_speech_becomes_passages_with_times_and_subtitles_win(
    talks: Path, tiny_clip: Path, whisper: str, tmp_path: Path
) -> None:
    run_index(tmp_path, talks, tiny_clip, speech_model=whisper)
    found = spoken(tmp_path)
    # What is said again at once counts once, as lines of captions that roll up do.
    assert found == {"spoken.mkv": [(0.0, 2.0, WORD)], "voice.wav": [(0.0, 20.0, WORD)]}


def test_hit_names_the_recording_and_the_second(
    talks: Path, tiny_clip: Path, whisper: str, tmp_path: Path
) -> None:
    run_index(tmp_path, talks, tiny_clip, speech_model=whisper)
    collection = str(tmp_path / "talks.duckdb")
    hits = search(collection=collection, text=WORD, mode="words", group=False)["hits"]
    assert {Path(hit["uri"]).name for hit in hits} == {"voice.wav", "spoken.mkv"}
    assert all(hit["meta"]["end_s"] > hit["meta"]["start_s"] for hit in hits)


def test_recording_without_speech_is_skipped_with_a_sentence(
    talks: Path, tiny_clip: Path, whisper: str, tmp_path: Path
) -> None:
    (talks / "broken.wav").write_bytes(wav(tone(3))[:40])
    report = run_index(tmp_path, talks, tiny_clip, speech_model=whisper)
    with Collection(tmp_path / "talks.duckdb").read() as con:
        rows = con.execute("SELECT parse_filename(uri), reason, detail FROM quarantine").fetchall()
    assert ("silence.wav", "no_content", "no speech was recognised in it") in rows
    beside = "what is said in it stands in the subtitles beside it"
    assert ("written.wav", "no_content", beside) in rows
    assert [reason for name, reason, _ in rows if name == "broken.wav"] == ["decoder_error"]
    assert report["num_embedded"] >= 3


def test_rerun_recognises_nothing_and_remembers_the_model(
    talks: Path,
    tiny_clip: Path,
    whisper: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_index(tmp_path, talks, tiny_clip, speech_model=whisper)
    before = spoken(tmp_path)

    def fail(*_: object) -> None:
        raise AssertionError("a recording was heard again")

    monkeypatch.setattr(SpeechReader, "read", fail)
    report = run_index(tmp_path, talks, tiny_clip)
    assert report["num_embedded"] == 0
    assert spoken(tmp_path) == before


def test_another_model_writes_what_is_said_anew(
    talks: Path, tiny_clip: Path, whisper: str, tmp_path: Path
) -> None:
    run_index(tmp_path, talks, tiny_clip, speech_model=whisper)
    other = build_tiny_whisper(tmp_path / "other", word="well")
    run_index(tmp_path, talks, tiny_clip, speech_model=str(other))
    assert spoken(tmp_path)["spoken.mkv"] == [(0.0, 2.0, "well")]
    run_index(tmp_path, talks, tiny_clip, speech_model="")
    # What no model reads any more is skipped, and keeps what it has.
    assert set(spoken(tmp_path)) == {"voice.wav"}


def test_model_of_another_kind_is_refused_before_anything_is_cut(
    talks: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelUnsupported, match="does not recognise speech"):
        run_index(tmp_path, talks, tiny_clip, speech_model=str(tiny_clip))
