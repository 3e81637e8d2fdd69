"""What is said in sound is written down with its times; silence and noise are not."""

from __future__ import annotations

import json
import os
import re
import shutil
import wave
from pathlib import Path

import numpy as np
import pytest

from crossmodal.errors import ModelUnavailable, ModelUnsupported
from crossmodal.recognition.speech import RATE_HZ, SpeechReader, speech_files, speech_reader
from tests.tiny_whisper import WORD, build_tiny_whisper

REAL = "CROSSMODAL_TEST_WHISPER"
SAID = {
    "0870": "and mr john dashwood had then leisure to consider how much there might be prudently "
    "in his power to do for them",
    "0890": "unless to be rather cold hearted and rather selfish is to be ill disposed",
    "0930": "he might even have been made amiable himself",
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_whisper(tmp_path_factory.mktemp("whisper") / "tiny")


@pytest.fixture(scope="module")
def reader(tiny: Path) -> SpeechReader:
    return speech_reader(str(tiny), "cpu")


def noise(seconds: float, loudness: float = 0.1) -> np.ndarray:
    rng = np.random.default_rng(1)
    return rng.normal(0, loudness, round(seconds * RATE_HZ)).astype(np.float32)


def test_each_sentence_has_its_times(reader: SpeechReader) -> None:
    said = list(reader.read([noise(3.5)]))
    assert [each.text for each in said] == [WORD] * 4
    assert [(each.start_s, each.end_s) for each in said] == [(0, 1), (1, 2), (2, 3), (3, 3.5)]


def test_long_recording_is_gone_through_without_gap_or_repetition(reader: SpeechReader) -> None:
    said = list(reader.read(np.array_split(noise(65), 9)))
    assert [each.start_s for each in said] == pytest.approx(list(range(65)))


def test_silence_and_nothing_at_all_are_not_written_down(reader: SpeechReader) -> None:
    assert list(reader.read([noise(40, loudness=1e-4)])) == []
    assert list(reader.read([])) == []


def test_what_the_model_takes_for_no_speech_is_left_out(tmp_path: Path) -> None:
    deaf = speech_reader(str(build_tiny_whisper(tmp_path / "deaf", no_speech=True)), "cpu")
    assert list(deaf.read([noise(3)])) == []


def test_reader_is_loaded_once_while_its_files_stay(tiny: Path, reader: SpeechReader) -> None:
    assert speech_reader(str(tiny), "cpu") is speech_reader(str(tiny), "cpu")


def test_other_models_are_refused_by_name(tiny: Path, tiny_clip: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelUnsupported, match="does not recognise speech"):
        speech_files(str(tiny_clip))
    with pytest.raises(ModelUnavailable, match="no directory"):
        speech_files(str(tmp_path / "nowhere"))
    own = shutil.copytree(tiny, tmp_path / "own")
    config = json.loads((own / "config.json").read_text())
    (own / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "evil.Model"}}))
    with pytest.raises(ModelUnsupported, match="code of its own"):
        speech_files(str(own))


def test_damaged_weights_are_told(tiny: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(tiny, tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        speech_reader(str(broken), "cpu")


@pytest.mark.slow
def test_real_weights_write_read_speech_down(shared_data: Path) -> None:
    if not os.environ.get(REAL):
        pytest.skip(f"no real weights: {REAL} names no directory of a Whisper")
    real = speech_reader(os.environ[REAL], "cpu")
    for path in sorted((shared_data / "audio/speech").glob("librivox*.wav")):
        with wave.open(str(path)) as sound:
            assert (sound.getframerate(), sound.getnchannels()) == (RATE_HZ, 1)
            ints = np.frombuffer(sound.readframes(sound.getnframes()), "<i2")
        said = " ".join(each.text for each in real.read([(ints / 32768).astype(np.float32)]))
        words = set(re.findall("[a-z]+", said.lower()))
        wanted = SAID[path.stem[-4:]].split()
        assert sum(word in words for word in wanted) / len(wanted) >= 0.8, said
