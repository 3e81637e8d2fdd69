"""Ask the demo's collection: pictures, passages and a table, found by what they show and say."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions
from crossmodal.models import starter
from examples.demo import OF_PICTURES, OF_TEXTS
from tests.meaning.conftest import Demo

pytestmark = [pytest.mark.meaning, pytest.mark.process]

PICTURES = {
    "a sports car": "car-",
    "a cottage": "house-",
    "a tree with green leaves": "tree-",
    "the sun goes down over the sea": "sunset-",
    "a portrait of a person": "face-",
    "a sailing boat": "boat-",
    "a cat": "cat-",
    "a flock of sheep": "sheep-",
    "a flower": "flower-",
    "snow on the mountains": "mountain-",
    "fish under water": "fish-",
    "a hot air balloon": "balloon-",
}
PASSAGES = {
    "how long is a ewe pregnant": "sheep.md",
    "mending a hole in an inner tube": "bicycle.md",
    "which way is north at night": "stars.md",
    "when do tomatoes go outdoors": "garden.md",
    "what makes a balloon go up": "ballooning.md",
    "how hot should the oven be for a loaf": "bread.md",
    "too much wind for the mainsail": "sailing.md",
    "my nose is bleeding": "first-aid.md",
    "the highest mountain of the Andes": "mountains.csv",
}


def test_first_hit_of_each_of_the_demos_questions_is_right(demo: Demo) -> None:
    questions = [*OF_PICTURES, *OF_TEXTS]
    found = demo.first_hits([question.text for question in questions])
    wrong = [
        (q.text, name)
        for q, name in zip(questions, found, strict=True)
        if not name.startswith(q.answers)
    ]
    assert wrong == []


def test_words_find_the_picture_that_they_describe(demo: Demo) -> None:
    found = demo.first_hits(list(PICTURES), "--modality", "image")
    wrong = [
        (asked, name)
        for (asked, wanted), name in zip(PICTURES.items(), found, strict=True)
        if not name.startswith(wanted)
    ]
    assert wrong == []


def test_questions_find_the_note_or_table_that_answers_them(demo: Demo) -> None:
    found = demo.first_hits(list(PASSAGES), "--modality", "text")
    assert dict(zip(PASSAGES, found, strict=True)) == PASSAGES


def test_picture_finds_itself_and_then_its_like(demo: Demo) -> None:
    (picture,) = Path(demo.sources[0]).glob("sheep-grey.*")
    hits = demo.shell.json("search", "--image", picture, "-k", 4, "--modality", "image")[0]["hits"]
    assert hits[0]["uri"] == str(picture)
    assert [Path(hit["uri"]).name.split("-")[0] for hit in hits] == ["sheep"] * 4


def test_first_run_says_which_model_serves_and_how_to_take_a_better_one(demo: Demo) -> None:
    (line,) = [line for line in demo.printed.splitlines() if "built-in starter" in line]
    assert "--model openai/clip-vit-base-patch32" in line
    assert "crossmodal promote openai/clip-vit-base-patch32" in line


def test_ledger_knows_the_model_by_its_name_and_by_the_shipped_files(demo: Demo) -> None:
    with Collection(demo.shell.collection).read() as con:
        versions = model_versions.all_versions(con)
    assert [version.name for version in versions] == ["starter", "starter-passages"]
    assert [version.dim for version in versions] == [512, 384]
    assert {version.weights_hash for version in versions} == {starter.digest()}


@pytest.mark.slow
def test_elsewhere_the_collection_is_searched_and_needs_no_work(demo: Demo, tmp_path: Path) -> None:
    elsewhere = demo.shell.environment | {"CROSSMODAL_CACHE": str(tmp_path / "cache")}
    moved = replace(demo, shell=replace(demo.shell, environment=elsewhere))
    assert moved.first_hits(["a sports car"])[0].startswith("car-")
    for named in ([], ["--model", "starter"], ["--text-model", "starter"]):
        again = moved.shell.json("index", *demo.sources, *named)
        assert set(again["counts"]) == {"unchanged"}
        assert again["num_embedded"] == 0
        assert again["messages"] == []
    assert os.listdir(tmp_path / "cache" / "starter")


@pytest.mark.slow
def test_environment_names_the_default_of_new_collections_only(
    demo: Demo, tmp_path: Path, tiny_clip: Path
) -> None:
    told = replace(
        demo.shell, environment=demo.shell.environment | {"CROSSMODAL_MODEL": str(tiny_clip)}
    )
    assert set(told.json("index", *demo.sources)["counts"]) == {"unchanged"}
    new = replace(told, collection=tmp_path / "new.duckdb")
    new.run("index", demo.sources[1])
    with Collection(new.collection).read() as con:
        assert [v.name for v in model_versions.all_versions(con)] == [str(tiny_clip)]
