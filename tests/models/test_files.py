from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub.utils import filter_repo_objects

from crossmodal.errors import ModelUnavailable, ModelUnsupported
from crossmodal.models import files as model_files
from crossmodal.models.options import ModelSpec
from tests.tiny_model import build_tiny_clap, build_tiny_sentence

COMMIT = "3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268"


@pytest.fixture
def model(tiny_clip: Path, tmp_path: Path) -> Path:
    """Return a copy of the tiny model, free to be tampered with."""
    return Path(shutil.copytree(tiny_clip, tmp_path / "model"))


@pytest.fixture
def sentence(tmp_path: Path) -> Path:
    """Return a tiny text model, free to be tampered with."""
    return build_tiny_sentence(tmp_path / "sentence")


def describe(directory: Path) -> Any:
    files = model_files.resolve(ModelSpec(str(directory)))
    return model_files.describe(files, "float32", model_files.weights_hash(files))


def edit_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_directory_is_named_by_its_absolute_path(model: Path, monkeypatch) -> None:
    monkeypatch.chdir(model.parent)
    files = model_files.resolve(ModelSpec("model", revision="ignored"))
    assert (files.name, files.revision) == (str(model), "local")
    assert [path.name for path in files.weights] == ["model.safetensors"]


@pytest.mark.parametrize("name", ["/no/such/folder", "./nowhere", "~/nowhere-either", "a/b/c"])
def test_missing_directory_says_what_to_give(name: str) -> None:
    with pytest.raises(ModelUnavailable, match=r"no directory .*config\.json and weights"):
        model_files.resolve(ModelSpec(name))


def test_directory_without_weights_is_refused(model: Path) -> None:
    (model / "model.safetensors").unlink()
    with pytest.raises(ModelUnavailable, match=r"model\.safetensors"):
        model_files.resolve(ModelSpec(str(model)))


def test_unreachable_hub_says_how_to_use_a_directory(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelUnavailable, match=r"(?s)some/model at revision v1 .*--model /path"):
        model_files.resolve(ModelSpec("some/model", "v1"))


@pytest.mark.parametrize("revision", [None, "main", COMMIT])
def test_cached_model_is_found_without_a_network_and_pinned(
    model: Path, tmp_path: Path, monkeypatch, revision: str | None
) -> None:
    cache = tmp_path / "hub" / "models--some--model"
    shutil.copytree(model, cache / "snapshots" / COMMIT)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache.parent))
    files = model_files.resolve(ModelSpec("some/model", revision))
    assert (files.name, files.revision) == ("some/model", COMMIT)


def test_weights_hash_follows_the_content_and_stat_key_the_file(model: Path) -> None:
    files = model_files.resolve(ModelSpec(str(model)))
    weights, key = model_files.weights_hash(files), model_files.stat_key(files)
    path = files.weights[0]
    os.utime(path, (1, 1))
    touched = model_files.stat_key(files)
    assert touched != key
    assert model_files.weights_hash(files) == weights
    path.write_bytes(path.read_bytes()[:-4] + b"\1\2\3\4")
    os.utime(path, (2, 2))
    assert model_files.weights_hash(files) != weights


def test_version_is_described_without_torch(model: Path) -> None:
    code = (
        "import sys\n"
        "from crossmodal.models import files as model_files\n"
        "from crossmodal.models.options import ModelSpec\n"
        "files = model_files.resolve(ModelSpec(sys.argv[1]))\n"
        "print(model_files.describe(files, 'float32', 'f' * 64).dim)\n"
        "print({'torch', 'transformers', 'daft', 'PIL'} & set(sys.modules))\n"
    )
    command = [sys.executable, "-c", code, str(model)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["32", "set()"]


@pytest.mark.parametrize(
    ("config", "dim"),
    [
        ({"model_type": "clip", "projection_dim": 768}, 768),
        ({"model_type": "clip"}, 512),
        ({"model_type": "siglip", "vision_config": {"hidden_size": 1152}}, 1152),
        ({"model_type": "siglip", "vision_config": {"model_type": "siglip_vision_model"}}, 768),
        ({"model_type": "vision-text-dual-encoder", "projection_dim": 256}, 256),
        ({"model_type": "bert", "hidden_size": 384}, 384),
        ({"model_type": "bert"}, 768),
        ({"model_type": "distilbert", "dim": 512}, 512),
    ],
)
def test_dimension_comes_from_the_configuration(model: Path, config: dict, dim: int) -> None:
    (model / "config.json").write_text(json.dumps(config))
    assert describe(model).dim == dim


@pytest.mark.parametrize("kind", ["gpt2", "pe_video", None, 7])
def test_model_of_another_type_is_refused_with_the_types_that_work(model: Path, kind) -> None:
    edit_json(model / "config.json", model_type=kind)
    with pytest.raises(ModelUnsupported, match=rf"type {kind!r}.*clip, .*siglip.*text: .*bert"):
        describe(model)


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "clip", "projection_dim": "many"},
        {"model_type": "clip", "projection_dim": -1},
        {"model_type": "siglip", "vision_config": 7},
        {"model_type": "bert", "max_position_embeddings": [512]},
    ],
)
def test_configuration_that_makes_no_sense_is_refused(model: Path, config: dict) -> None:
    (model / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelUnsupported, match=r"config\.json of .* makes no sense"):
        describe(model)


def test_kind_of_a_model_is_told_from_its_files(model: Path, tmp_path: Path) -> None:
    assert describe(model).encoders == {"image": "vision", "text": "text"}
    sentence = build_tiny_sentence(tmp_path / "sentence")
    assert describe(sentence).encoders == {"text": "sentence"}
    clap = build_tiny_clap(tmp_path / "clap")
    assert describe(clap).encoders == {"audio": "audio", "text": "text"}


def test_tokenizer_is_part_of_an_image_text_models_version(model: Path) -> None:
    before = describe(model)
    edit_json(model / "tokenizer.json", added_tokens=[])
    assert describe(model).fingerprint != before.fingerprint


def test_model_is_described_once_while_its_files_are_unchanged(model: Path) -> None:
    for path in model.iterdir():
        os.utime(path, (1, 1))
    files = model_files.resolve(ModelSpec(str(model)))
    first = model_files.description(files)
    assert model_files.description(files) is first
    edit_json(model / "preprocessor_config.json", do_resize=True)
    again = model_files.description(files)
    assert again is not first
    assert again == first


def test_file_that_was_just_written_is_read_again(model: Path) -> None:
    config, in_a_minute_s = model / "preprocessor_config.json", time.time() + 60
    edit_json(config, image_mean=[0.1, 0.1, 0.1])
    os.utime(config, (in_a_minute_s, in_a_minute_s))
    before = describe(model)
    edit_json(config, image_mean=[0.2, 0.2, 0.2])
    os.utime(config, (in_a_minute_s, in_a_minute_s))
    assert describe(model).fingerprint != before.fingerprint


@pytest.mark.parametrize("changes", [{"hop_length": 100}, {"padding": "pad"}, {"max_length_s": 2}])
def test_what_decides_a_sounds_vector_is_part_of_the_version(tmp_path: Path, changes) -> None:
    clap = build_tiny_clap(tmp_path / "clap")
    before = describe(clap)
    edit_json(clap / "preprocessor_config.json", **changes)
    assert describe(clap).fingerprint != before.fingerprint


def test_pickled_weights_are_taken_only_of_a_model_that_is_named(model: Path, monkeypatch) -> None:
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    with pytest.raises(ModelUnsupported, match="CROSSMODAL_PICKLED_WEIGHTS="):
        model_files.resolve(ModelSpec(str(model)))
    monkeypatch.setenv("CROSSMODAL_PICKLED_WEIGHTS", f"somebody/else, {model}")
    assert model_files.resolve(ModelSpec(str(model))).weights[0].name == "pytorch_model.bin"


def test_what_is_fetched_of_a_hub_model_is_the_model_and_no_export_of_it() -> None:
    wanted = ["config.json", "tokenizer.json", "vocab.txt", "model.safetensors"]
    wanted += ["modules.json", "1_Pooling/config.json", "sentence_bert_config.json"]
    wanted += ["2_Dense/config.json", "2_Dense/model.safetensors"]
    others = ["onnx/model.onnx", "onnx/config.json", "openvino/openvino_model.xml", "README.md"]
    others += ["pytorch_model.bin", "coreml/a/b.json", "rust_model.ot", "onnx/model.safetensors"]
    fetched = filter_repo_objects(
        wanted + others,
        allow_patterns=[
            *model_files.SMALL_FILES,
            "model*.safetensors",
            model_files.OF_MODULES,
        ],
        ignore_patterns=list(model_files.OTHER_FOLDERS),
    )
    assert list(fetched) == wanted


def test_cached_model_without_its_subfolders_is_asked_for_again(
    sentence: Path, tmp_path: Path, monkeypatch
) -> None:
    asked: list[bool] = []

    def snapshot_download(*_: Any, local_files_only: bool = False, **__: Any) -> str:
        asked.append(local_files_only)
        if not local_files_only:
            shutil.copytree(whole, folder, dirs_exist_ok=True)
        return str(folder)

    whole = Path(shutil.copytree(sentence, tmp_path / "whole"))
    folder = Path(shutil.copytree(sentence, tmp_path / "snapshots" / COMMIT))
    shutil.rmtree(folder / "1_Pooling")
    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    assert model_files.resolve(ModelSpec("some/model", COMMIT)).directory == folder
    assert asked == [True, False]
    model_files.resolve(ModelSpec("some/model", COMMIT))
    assert asked == [True, False, True]


def test_model_without_image_preprocessing_is_refused(model: Path) -> None:
    (model / "preprocessor_config.json").unlink()
    with pytest.raises(ModelUnsupported, match=r"no preprocessor_config\.json"):
        describe(model)


def test_damaged_configuration_is_refused_by_name(model: Path) -> None:
    (model / "config.json").write_text("{")
    with pytest.raises(ModelUnsupported, match=r"config\.json cannot be read"):
        describe(model)


def test_preprocessing_saved_inside_the_processor_counts_first(model: Path) -> None:
    inner = json.loads((model / "preprocessor_config.json").read_text())
    combined = {"processor_class": "CLIPProcessor", "image_processor": {**inner, "resample": 2}}
    before = describe(model)
    (model / "processor_config.json").write_text(json.dumps(combined))
    assert describe(model).fingerprint != before.fingerprint
    (model / "preprocessor_config.json").unlink()
    image = model_files.preprocessing(model_files.resolve(ModelSpec(str(model)))).image
    assert image is not None
    assert image.resample == 2


def test_number_format_is_part_of_the_version(model: Path) -> None:
    files = model_files.resolve(ModelSpec(str(model)))
    versions = [model_files.describe(files, dtype, "w" * 64) for dtype in ("float32", "bfloat16")]
    assert versions[0].fingerprint != versions[1].fingerprint
    assert versions[1].label == "model@wwwwwwww/bfloat16"


@pytest.mark.parametrize(
    ("requested", "device", "chosen"),
    [("float16", "cpu", "float16"), ("auto", "mps", "float32"), ("auto", "cuda", "bfloat16")],
)
def test_number_format_suits_the_device(requested: str, device: str, chosen: str) -> None:
    assert model_files.choose_dtype(requested, device) == chosen
