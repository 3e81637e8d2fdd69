"""The index flow over mixed media, with random encoders for pictures, words and sounds."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crossmodal.ledger.collection import Collection
from flows.index import index
from flows.search import search
from tests.chunking.clips import film, film_with_sound, scenes, tone
from tests.drawn import draw_pictures
from tests.tiny_model import build_tiny_clap, build_tiny_gemma, build_tiny_sentence

pytestmark = pytest.mark.usefixtures("prefect")

NOTES = """# Harbour

Boats lie in the harbour at night.

## Tide

The tide comes twice a day.
"""
CUES = """1
00:00:01,000 --> 00:00:03,000
A boat leaves the harbour.

2
00:00:10,000 --> 00:00:12,000
The sea is calm.
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, tiny_clip: Path) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("encoders")
    build_tiny_sentence(folder / "sentence")
    build_tiny_clap(folder / "clap")
    return {
        "model": str(tiny_clip),
        "text_model": str(folder / "sentence"),
        "audio_model": str(folder / "clap"),
    }


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """Return a folder with two pictures, notes, a table, subtitles, a sound and an odd file."""
    folder = tmp_path / "media"
    draw_pictures(folder, 2)
    (folder / "notes.md").write_text(NOTES)
    (folder / "prices.csv").write_text(
        "name,price\n" + "".join(f"boat {i},{i}\n" for i in range(50))
    )
    (folder / "talk.srt").write_text(CUES)
    (folder / "blob.bin").write_bytes(bytes(range(256)) * 10)
    with wave.open(str(folder / "tone.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16_000)
        tone = np.sin(np.arange(16_000 * 3) / 10) * 20_000
        sound.writeframes(tone.astype("<i2").tobytes())
    return folder


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    return tmp_path / "media.duckdb"


def run_index(collection: Path, folder: Path, **changes: Any) -> dict[str, Any]:
    return index(collection=str(collection), paths=[str(folder)], **changes)


def kinds(collection: Path) -> dict[str, int]:
    with Collection(collection).read() as con:
        rows = con.execute("SELECT kind, count(*) FROM chunk GROUP BY kind").fetchall()
    return dict(rows)


def test_every_file_becomes_chunks_or_is_skipped_with_a_reason(
    collection: Path, media: Path, models: dict[str, str]
) -> None:
    report = run_index(collection, media, **models)
    assert report["counts"] == {"added": 6, "skipped": 1}
    assert report["quarantined"] == {}
    found = kinds(collection)
    assert found["image"] == 2
    assert found.keys() == {"image", "passage", "rows", "table", "cue", "window"}
    assert report["num_embedded"] == sum(found.values())


def test_one_model_serves_pictures_words_and_sounds(
    collection: Path, media: Path, tmp_path: Path
) -> None:
    model = build_tiny_gemma(tmp_path / "gemma")
    report = run_index(collection, media, model=str(model))
    found = kinds(collection)
    assert report["quarantined"] == {}
    assert report["num_embedded"] == sum(found.values())
    assert {"image", "passage", "window"} <= found.keys()
    with Collection(collection).read() as con:
        assert con.execute("SELECT count(*) FROM model_version").fetchone() == (1,)
    picture = next(str(path) for path in sorted(media.iterdir()) if "picture" in path.name)
    for query in ({"text": "a boat"}, {"image": picture}):
        answer = search(collection=str(collection), k=20, **query)
        assert {hit["modality"] for hit in answer["hits"]} == {"image", "text", "audio"}
    assert run_index(collection, media)["num_embedded"] == 0


def test_a_rerun_over_mixed_media_embeds_nothing(
    collection: Path, media: Path, models: dict[str, str]
) -> None:
    run_index(collection, media, **models)
    report = run_index(collection, media)
    assert report["counts"] == {"unchanged": 7}
    assert report["num_embedded"] == 0


def test_a_changed_rule_cuts_anew_only_what_it_concerns(
    collection: Path, media: Path, models: dict[str, str]
) -> None:
    run_index(collection, media, **models)
    report = run_index(collection, media, rows_per_chunk=5)
    assert report["counts"] == {"changed": 1, "unchanged": 6}
    found = kinds(collection)
    assert report["num_embedded"] == found["rows"] + found["table"]


def test_another_encoder_for_passages_leaves_the_pictures_alone(
    collection: Path, media: Path, models: dict[str, str], tmp_path: Path
) -> None:
    run_index(collection, media, **models)
    before = kinds(collection)
    other = tmp_path / "other"
    build_tiny_sentence(other, seed=5)
    report = run_index(collection, media, text_model=str(other))
    assert report["counts"] == {"changed": 3, "unchanged": 4}
    assert (
        report["num_embedded"]
        == before["passage"] + before["rows"] + before["table"] + before["cue"]
    )


def test_sounds_without_an_encoder_are_skipped_until_there_is_one(
    collection: Path, media: Path, models: dict[str, str]
) -> None:
    deaf = {name: value for name, value in models.items() if name != "audio_model"}
    assert run_index(collection, media, **deaf)["counts"] == {"added": 5, "skipped": 2}
    report = run_index(collection, media, audio_model=models["audio_model"])
    assert report["counts"] == {"added": 1, "unchanged": 6}
    assert kinds(collection)["window"] == report["num_embedded"]


def test_an_answer_mixes_modalities_and_can_be_restricted_to_one(
    collection: Path, media: Path, models: dict[str, str]
) -> None:
    run_index(collection, media, **models)
    mixed = search(collection=str(collection), text="boats", k=20)
    assert {hit["modality"] for hit in mixed["hits"]} == {"image", "text", "audio"}
    assert len({hit["uri"] for hit in mixed["hits"]}) == len(mixed["hits"]) == 6
    words = {"text": "boats", "modalities": ["text"]}
    chunks = search(collection=str(collection), k=20, group=False, expand=1, **words)
    assert {hit["modality"] for hit in chunks["hits"]} == {"text"}
    assert len(chunks["hits"]) > 3
    assert any(near["after"] for near in chunks["around"].values())


def test_a_picture_finds_pictures_and_the_short_texts_of_its_space(
    collection: Path, media: Path, models: dict[str, str]
) -> None:
    run_index(collection, media, **models)
    query = media / "query.png"
    Image.new("RGB", (64, 64), "navy").save(query)
    found = search(collection=str(collection), image=str(query), k=20)
    assert {hit["modality"] for hit in found["hits"]} == {"image", "text"}


def test_collection_remembers_the_rules_of_cutting_until_others_are_named(
    collection: Path, media: Path, models: dict[str, str]
) -> None:
    where: dict[str, Any] = {"collection": str(collection), "paths": [str(media)]}
    index(**where, **models, chunk_tokens=12)
    assert index(**where)["num_embedded"] == 0
    assert index(**where, overlap_tokens=16)["num_embedded"] == 0, "that is what it was"

    expected = index(**where, chunk_tokens=24, dry_run=True)
    assert "cut anew for --chunk-tokens 24, was 12" in expected["text"]
    assert {row["reason"] for row in expected["plan"] if row["embed"]} == {
        "cut anew: --chunk-tokens 24, was 12"
    }
    assert index(**where)["num_embedded"] == 0, "a dry run is not remembered"
    assert index(**where, chunk_tokens=24)["num_embedded"] > 0
    assert index(**where)["num_embedded"] == 0


def test_sound_of_a_film_is_embedded_with_its_times_where_a_model_hears(
    collection: Path, tmp_path: Path, models: dict[str, str]
) -> None:
    films = tmp_path / "films"
    films.mkdir()
    (films / "loud.mkv").write_bytes(film_with_sound(scenes([6, 6]), tone(12)))
    (films / "silent.mp4").write_bytes(film(scenes([1, 1])))
    deaf = {name: value for name, value in models.items() if name != "audio_model"}
    run_index(collection, films, **deaf)
    assert kinds(collection).keys() == {"frame"}
    report = run_index(collection, films, audio_model=models["audio_model"])
    assert report["quarantined"] == {}
    with Collection(collection).read() as con:
        found = con.execute(
            "SELECT parse_filename(uri), modality, (meta->>'start_s')::DOUBLE, "
            "(meta->>'end_s')::DOUBLE FROM chunk JOIN source USING (content_hash) "
            "WHERE kind = 'window' ORDER BY ordinal"
        ).fetchall()
    assert [row[:2] for row in found] == [("loud.mkv", "audio")] * 2
    assert [row[2:] for row in found] == [(0.0, 10.0), (2.0, 12.0)]
    answer = search(collection=str(collection), text="a tone", modalities=["audio"])
    assert [hit["uri"] for hit in answer["hits"]] == [str(films / "loud.mkv")]
    assert run_index(collection, films)["num_embedded"] == 0
