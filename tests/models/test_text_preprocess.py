from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from crossmodal.errors import ModelUnavailable, ModelUnsupported
from crossmodal.models import files as model_files
from crossmodal.models.options import ModelSpec
from tests.tiny_model import build_tiny_sentence


@pytest.fixture
def sentence(tmp_path: Path) -> Path:
    """Return a tiny text model, free to be tampered with."""
    return build_tiny_sentence(tmp_path / "sentence")


def text_settings(directory: Path) -> Any:
    return model_files.preprocessing(model_files.resolve(ModelSpec(str(directory)))).text


def describe(directory: Path) -> Any:
    files = model_files.resolve(ModelSpec(str(directory)))
    return model_files.describe(files, "float32", model_files.weights_hash(files))


def edit_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_text_model_without_modules_is_pooled_by_the_mean(sentence: Path) -> None:
    for name in ("modules.json", "sentence_bert_config.json", "config_sentence_transformers.json"):
        (sentence / name).unlink()
    assert text_settings(sentence).pooling == "mean"


@pytest.mark.parametrize(
    ("config", "pooling"),
    [
        ({"pooling_mode": "lasttoken"}, "lasttoken"),
        ({"pooling_mode": ["cls"]}, "cls"),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_max_tokens": True}, "max"),
        ({"pooling_mode_mean_sqrt_len_tokens": True}, "mean"),
        ({"word_embedding_dimension": 32}, "mean"),
        ({"pooling_mode": "weightedmean"}, "weightedmean"),
        ({"pooling_mode_cls_token": True, "pooling_mode_max_tokens": True}, "cls+max"),
        ({"pooling_mode": ["mean", "cls"]}, "mean+cls"),
    ],
)
def test_pooling_is_read_in_its_old_and_its_new_form(sentence: Path, config, pooling) -> None:
    (sentence / "1_Pooling" / "config.json").write_text(json.dumps(config))
    assert text_settings(sentence).pooling == pooling


@pytest.mark.parametrize(
    "config",
    [
        {"pooling_mode": "attention"},
        {"pooling_mode": ["cls", "attention"]},
        {"pooling_mode": []},
        {"pooling_mode": 3},
    ],
)
def test_pooling_that_is_not_known_is_refused(sentence: Path, config) -> None:
    (sentence / "1_Pooling" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelUnsupported, match="known are cls, max"):
        describe(sentence)


@pytest.mark.parametrize("path", ["../elsewhere", "/etc", "a/b"])
def test_pooling_outside_the_models_folder_is_not_looked_for(sentence: Path, path: str) -> None:
    modules = [{"type": "x.Transformer", "path": ""}, {"type": "x.Pooling", "path": path}]
    (sentence / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ModelUnsupported, match="odd modules"):
        describe(sentence)


def test_module_that_is_not_known_is_refused_by_name(sentence: Path) -> None:
    modules = json.loads((sentence / "modules.json").read_text())
    lstm = {"type": "sentence_transformers.models.LSTM", "path": "2_LSTM"}
    (sentence / "modules.json").write_text(json.dumps([*modules, lstm]))
    with pytest.raises(ModelUnsupported, match="modules LSTM, which are not known"):
        describe(sentence)


def test_missing_subfolder_is_refused_by_name(sentence: Path) -> None:
    shutil.rmtree(sentence / "1_Pooling")
    with pytest.raises(ModelUnavailable, match=r"1_Pooling has no config\.json"):
        describe(sentence)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("1_Pooling/config.json", {"pooling_mode": "max"}),
        ("sentence_bert_config.json", {"max_seq_length": 12}),
        ("sentence_bert_config.json", {"do_lower_case": True}),
        ("config_sentence_transformers.json", {"prompts": {"query": "q: "}}),
        ("config_sentence_transformers.json", {"prompts": {"document": "d: "}}),
        ("tokenizer.json", {"added_tokens": []}),
        ("tokenizer_config.json", {"do_lower_case": False}),
    ],
)
def test_what_decides_a_texts_vector_is_part_of_the_version(sentence: Path, name, changes) -> None:
    before = describe(sentence)
    edit_json(sentence / name, **changes)
    assert describe(sentence).fingerprint != before.fingerprint
