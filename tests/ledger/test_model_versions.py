from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from crossmodal.errors import ModelMismatch
from crossmodal.ledger.write import model_versions
from crossmodal.records import Lineup, ModelVersion
from tests.ledger import build


def sentences() -> ModelVersion:
    return replace(build.version("sentences", dim=8), encoders={"text": "sentence"})


def test_the_first_line_up_becomes_live_and_later_ones_wait(con: Any) -> None:
    assert model_versions.live(con) is None
    first = model_versions.register_lineup(con, Lineup.of(build.version("a")))
    second = model_versions.register_lineup(con, Lineup.of(build.version("b", dim=8)))
    assert model_versions.live(con) == first
    assert first.joint == replace(build.version("a"), id=first.id)
    assert model_versions.all_versions(con) == [first.joint, second.joint]
    model_versions.set_live(con, second)
    assert model_versions.live(con) == second


def test_an_encoder_for_passages_serves_texts_beside_the_joint_model(con: Any) -> None:
    lineup = model_versions.register_lineup(con, Lineup.of(build.version("a"), sentences()))
    assert [(v.version.name, v.modality) for v in lineup.lists] == [
        ("a", "image"),
        ("sentences", "text"),
    ]
    assert lineup.short_texts == (lineup.joint, "text")
    assert model_versions.live(con) == lineup


def test_a_modality_that_had_no_encoder_gets_one_without_disturbing_the_others(con: Any) -> None:
    mute = replace(build.version("a"), encoders={"image": "vision"})
    model_versions.register_lineup(con, Lineup.of(mute))
    model_versions.register_lineup(con, Lineup.of(mute, sentences()))
    live = model_versions.live(con)
    assert live is not None
    assert {m: v.name for m, v in live.serving.items()} == {"image": "a", "text": "sentences"}


def test_a_line_up_knows_its_numbers_once_it_is_registered(con: Any) -> None:
    lineup = Lineup.of(build.version("a"), sentences())
    assert model_versions.numbered(con, lineup).id is None
    registered = model_versions.register_lineup(con, lineup)
    assert model_versions.numbered(con, lineup) == registered


def test_each_version_has_a_vector_table_of_its_width(con: Any) -> None:
    version = model_versions.register(con, build.version("b", dim=8))
    table = model_versions.vector_table(version.id or 0, "image")
    sql = "SELECT data_type FROM duckdb_columns() WHERE table_name = ? AND column_name = 'v'"
    assert build.column(con, sql, table) == ["FLOAT[8]"]


def test_registering_again_changes_nothing(con: Any) -> None:
    first = model_versions.register(con, build.version())
    assert model_versions.register(con, build.version()) == first
    assert build.count(con, "model_version") == 1


def test_a_model_that_was_moved_is_the_same_version_at_its_new_place(con: Any) -> None:
    first = model_versions.register(con, replace(build.version(), name="/old/tiny"))
    moved = model_versions.register(con, replace(build.version(), name="/new/tiny"))
    assert moved.id == first.id
    assert model_versions.all_versions(con)[0].name == "/new/tiny"


@pytest.mark.parametrize(
    "change",
    [{"weights_hash": "w"}, {"preprocessing": "q"}, {"dtype": "bfloat16"}, {"dim": 8}],
    ids=lambda change: next(iter(change)),
)
def test_other_weights_preprocessing_dtype_or_dim_are_another_version(
    con: Any, change: dict[str, Any]
) -> None:
    first = model_versions.register(con, build.version())
    assert model_versions.register(con, replace(build.version(), **change)).id != first.id


def test_a_version_is_found_by_name_number_label_and_the_start_of_its_label(con: Any) -> None:
    clip = model_versions.register(con, build.version("openai/clip"))
    half = model_versions.register(con, replace(build.version("openai/clip"), dtype="bfloat16"))
    other = model_versions.register(con, build.version("siglip"))
    assert model_versions.find(con, "openai/clip") == [clip, half]
    assert model_versions.find(con, str(other.id)) == [other]
    assert model_versions.find(con, half.label) == [half]
    assert model_versions.find(con, "clip@") == [clip, half]
    assert model_versions.find(con, "nothing") == []
    assert model_versions.find(con, "") == []


def test_an_unknown_version_cannot_go_live(con: Any) -> None:
    version = model_versions.register(con, build.version())
    with pytest.raises(ModelMismatch, match=r"no model version 7 .* it has 1 \(tiny@"):
        model_versions.set_live(con, Lineup.of(replace(version, id=7)))


def test_a_weights_hash_is_remembered_and_replaced(con: Any) -> None:
    assert model_versions.cached_weights_hash(con, "key") is None
    model_versions.remember_weights_hash(con, "key", "one")
    model_versions.remember_weights_hash(con, "key", "two")
    assert model_versions.cached_weights_hash(con, "key") == "two"
