"""Which models a new collection takes: what is named, the environment's, or the built-in ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossmodal.errors import ModelUnavailable
from crossmodal.ledger.collection import Collection
from crossmodal.models import files
from crossmodal.models.lineup import advice
from crossmodal.models.options import LineupSpec, ModelSpec, for_passages, with_defaults
from deployments.target import make_target

CLIP = ModelSpec("openai/clip-vit-base-patch32")
STARTER = ModelSpec("starter")
PASSAGES = ModelSpec("starter-passages")


def test_nothing_named_is_the_starter_with_its_encoder_of_passages() -> None:
    assert with_defaults(LineupSpec()) == LineupSpec(joint=STARTER, text=PASSAGES)
    assert with_defaults(LineupSpec(joint=STARTER)) == LineupSpec(joint=STARTER, text=PASSAGES)


def test_model_that_is_named_reads_the_passages_too() -> None:
    assert with_defaults(LineupSpec(joint=CLIP)) == LineupSpec(joint=CLIP)


def test_environment_is_asked_for_what_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSMODAL_MODEL", CLIP.name)
    monkeypatch.setenv("CROSSMODAL_AUDIO_MODEL", "some/clap")
    monkeypatch.setenv("CROSSMODAL_TEXT_MODEL", "")
    assert with_defaults(LineupSpec()) == LineupSpec(
        joint=CLIP, others={"audio": ModelSpec("some/clap")}
    )
    named = with_defaults(LineupSpec(joint=STARTER))
    assert named == LineupSpec(
        joint=STARTER, text=PASSAGES, others={"audio": ModelSpec("some/clap")}
    )


def test_starter_that_is_to_read_passages_is_its_sentence_encoder() -> None:
    assert for_passages("starter") == "starter-passages"
    assert for_passages("some/model") == "some/model"


def test_advice_is_given_to_those_who_named_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = Collection(tmp_path / "new.duckdb")
    assert "promote" in advice(new, LineupSpec())
    assert "\n" not in advice(new, LineupSpec())
    assert advice(new, LineupSpec(joint=STARTER)) == ""
    monkeypatch.setenv("CROSSMODAL_MODEL", CLIP.name)
    assert advice(new, LineupSpec()) == ""


def test_model_that_cannot_be_reached_names_the_one_that_needs_no_hub(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelUnavailable, match="--model starter"):
        files.resolve(ModelSpec("nobody/has-this-model"))
    with pytest.raises(ModelUnavailable, match="starter"):
        files.resolve(ModelSpec("./no/such/folder"))


def test_folder_called_starter_is_not_taken_for_the_built_in_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "starter").mkdir()
    made = make_target(["photos"], "c.duckdb", "starter", None, "pool", text_model="./starter")
    assert made.model == "starter"
    assert made.text_model == str(tmp_path / "starter")
