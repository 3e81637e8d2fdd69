from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from crossmodal.chunking.registry import in_charge
from crossmodal.chunking.rules import ChunkRules
from crossmodal.records import Lineup
from tests.ledger.build import find_chunker, version

EARLIER = {
    "audio": "audio/1/8b9bcb76059e",
    "document": "document/1/6e4250908a24",
    "records": "records/1/aee8edb8d7cc",
    "subtitle": "subtitle/1/aee8edb8d7cc",
    "table": "table/1/de6e8d442a60",
    "text": "text/1/aee8edb8d7cc",
    "video": "video/1/442d6207a83d",
    "whole_image": "whole_image/1",
}
"""What earlier collections hold; before there were records they were texts."""

RULES = ChunkRules()
JOINT = Lineup.of(version())
SENTENCES = replace(version("sentences"), encoders={"text": "sentence"}, preprocessing="q")
CLAP = replace(version("clap"), encoders={"audio": "audio", "text": "text"})


def fingerprints(rules: ChunkRules, lineup: Lineup) -> dict[str, str]:
    return {pattern: found.fingerprint for pattern, found in in_charge(rules, lineup).items()}


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """Return the chunkers whose fingerprint differs."""
    return {new.partition("/")[0] for key, new in after.items() if before.get(key) != new}


@pytest.mark.parametrize(
    ("media_type", "name"),
    [
        ("image/png", "whole_image"),
        ("video/mp4", "video"),
        ("application/x-subrip", "subtitle"),
        ("application/jsonl", "records"),
        ("text/csv", "table"),
        ("application/vnd.apache.parquet", "table"),
        ("application/pdf", "document"),
        ("application/epub+zip", "document"),
    ],
)
def test_each_media_type_has_its_chunker(media_type: str, name: str) -> None:
    chunker = find_chunker(media_type, JOINT)
    assert chunker is not None
    assert chunker.fingerprint.split("/")[0] == name


@pytest.mark.parametrize("media_type", ["application/octet-stream", "images/png", ""])
def test_other_types_have_no_chunker(media_type: str) -> None:
    assert find_chunker(media_type, JOINT) is None


def test_sounds_are_cut_only_where_an_encoder_hears_them() -> None:
    assert find_chunker("audio/mpeg", JOINT) is None
    assert find_chunker("audio/mpeg", Lineup.of(version(), audio=CLAP)) is not None


def test_a_rule_changes_the_fingerprint_of_the_chunkers_that_follow_it_and_no_other() -> None:
    before = fingerprints(RULES, JOINT)
    rows = fingerprints(replace(RULES, rows_per_chunk=7), JOINT)
    assert changed(before, rows) == {"table"}
    pages = fingerprints(replace(RULES, page_images="always"), JOINT)
    assert changed(before, pages) == {"document"}
    limits = fingerprints(replace(RULES, max_seconds=9, max_pages=5), JOINT)
    assert changed(before, limits) == set()


def test_reading_text_in_pictures_cuts_anew_what_has_pictures_if_anything_serves_texts() -> None:
    lineup = Lineup.of(version(), SENTENCES)
    before = fingerprints(RULES, lineup)
    reading = replace(RULES, ocr=True)
    pictured = {"whole_image", "table", "document", "video"}
    assert changed(before, fingerprints(reading, lineup)) == pictured
    blind = replace(version(), encoders={"image": "vision"})
    assert fingerprints(reading, Lineup.of(blind)) == fingerprints(RULES, Lineup.of(blind))


def test_a_model_for_sound_cuts_films_anew_and_nothing_else_that_was_cut() -> None:
    hearing = fingerprints(RULES, Lineup.of(version(), audio=CLAP))
    assert changed(fingerprints(RULES, JOINT), hearing) == {"video", "audio"}
    other = fingerprints(replace(RULES, audio_window_s=5.0), Lineup.of(version(), audio=CLAP))
    assert changed(hearing, other) == {"video", "audio"}


def test_clips_cut_films_anew_and_nothing_else() -> None:
    before = fingerprints(RULES, JOINT)
    assert changed(before, fingerprints(replace(RULES, clips=True), JOINT)) == {"video"}


def test_another_encoder_for_passages_cuts_anew_what_has_passages() -> None:
    after = fingerprints(RULES, Lineup.of(version(), SENTENCES))
    assert "whole_image" not in changed(fingerprints(RULES, JOINT), after)
    assert {"document", "table", "subtitle"} <= changed(fingerprints(RULES, JOINT), after)


def test_fingerprints_name_the_chunker_and_its_revision() -> None:
    assert fingerprints(RULES, JOINT)["image/*"] == "whole_image/1"
    assert fingerprints(RULES, JOINT)["video/*"].startswith("video/1/")


def test_fingerprints_are_those_of_earlier_collections() -> None:
    sentences, clap = (replace(v, preprocessing=f"p-{v.name}") for v in (SENTENCES, CLAP))
    # The sound of films was not embedded then: theirs is the same where nothing hears.
    lineups = (Lineup.of(version(), sentences, audio=clap), Lineup.of(version(), sentences))
    found = [text for lineup in lineups for text in fingerprints(RULES, lineup).values()]
    assert {text.partition("/")[0]: text for text in found} == EARLIER


def test_registry_costs_no_library_of_any_modality() -> None:
    heavy = "{'PIL', 'numpy', 'av', 'pyarrow', 'pypdfium2', 'lxml', 'openpyxl', 'torch', 'daft'}"
    code = f"import sys, crossmodal.chunking.registry as r; print({heavy} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"
