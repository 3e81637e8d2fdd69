"""What sentence-transformers chains behind a model is computed as that library computes it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from crossmodal.encoders.cache import load_version
from crossmodal.encoders.numpy_text.encoder import NumpyTexts
from crossmodal.errors import CrossmodalError, ModelUnavailable, ModelUnsupported
from crossmodal.models import files as model_files
from crossmodal.models.folder import ModelFiles
from crossmodal.models.options import ModelSpec
from crossmodal.records import ModelVersion
from tests.tiny_model import (
    DIM,
    build_tiny_gemma3,
    build_tiny_sentence,
    build_tiny_t5,
    chain_modules,
)

TEXTS = ["a red car", "two dogs on the grass", "x", "words " * 40]
TANH = "torch.nn.modules.activation.Tanh"
IDENTITY = "torch.nn.modules.linear.Identity"


def dense(num_in: int, num_out: int, activation: str = TANH, **more: Any) -> Any:
    sizes = {"in_features": num_in, "out_features": num_out, "activation_function": activation}
    return "Dense", sizes | more


NORMALIZE: Any = ("Normalize", {})
# Model, pooling, steps, dimensions.
CHAINS: dict[str, tuple[Callable[[Path], Path], Any, list[Any], int]] = {
    "LaBSE": (build_tiny_sentence, "cls", [dense(32, 32), NORMALIZE], 32),
    "distiluse": (build_tiny_sentence, "mean", [dense(32, 20)], 20),
    "EmbeddingGemma": (
        build_tiny_gemma3,
        "mean",
        [dense(32, 96, IDENTITY, bias=False), dense(96, 32, IDENTITY, bias=False), NORMALIZE],
        32,
    ),
    "GTR": (build_tiny_t5, "mean", [dense(32, 24, IDENTITY, bias=False), NORMALIZE], 24),
    "a length in the middle": (build_tiny_sentence, "mean", [NORMALIZE, dense(32, 8)], 8),
    "several poolings": (
        build_tiny_sentence,
        ["cls", "max", "lasttoken"],
        [("LayerNorm", {"dimension": 96}), ("Dropout", {"dropout": 0.5})],
        96,
    ),
    "by place": (build_tiny_sentence, "weightedmean", [NORMALIZE], 32),
    "by the root of the length": (
        build_tiny_sentence,
        "mean_sqrt_len_tokens",
        [dense(32, 32, "torch.nn.GELU", use_residual=True)],
        32,
    ),
    "a residual of another size": (
        build_tiny_sentence,
        ["mean", "mean_sqrt_len_tokens"],
        [dense(64, 16, "torch.nn.ReLU", use_residual=True)],
        16,
    ),
}


def described(directory: Path) -> tuple[ModelFiles, ModelVersion]:
    files = model_files.resolve(ModelSpec(str(directory)))
    return files, model_files.describe(files, "float32", model_files.weights_hash(files))


def vectors(directory: Path) -> np.ndarray:
    return load_version(described(directory)[1], "cpu").encode_texts(TEXTS)


@pytest.fixture(autouse=True)
def _cache_of_this_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSMODAL_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a builder of the models of CHAINS, each built once."""
    home = tmp_path_factory.mktemp("models")

    def build(name: str) -> Path:
        make, pooling, steps, _ = CHAINS[name]
        folder = home / name.replace(" ", "-")
        return folder if folder.exists() else chain_modules(make(folder), pooling, *steps)

    return build


@pytest.fixture
def labse(built: Callable[[str], Path], tmp_path: Path) -> Path:
    """Return a model with a Dense in 2_Dense, free to be tampered with."""
    return Path(shutil.copytree(built("LaBSE"), tmp_path / "labse"))


@pytest.mark.parametrize("name", CHAINS)
def test_vectors_are_those_of_sentence_transformers(
    name: str, built: Callable[[str], Path]
) -> None:
    library = pytest.importorskip(
        "sentence_transformers", reason="sentence-transformers is not installed"
    )
    model = library.SentenceTransformer(str(built(name)), device="cpu")
    wanted = model.encode(TEXTS, normalize_embeddings=True)
    found = vectors(built(name))
    assert found.shape == (len(TEXTS), CHAINS[name][3])
    assert np.abs(found - wanted).max() < 1e-5


def test_dense_is_a_matrix_a_bias_and_an_activation(labse: Path) -> None:
    weights = load_file(labse / "2_Dense" / "model.safetensors")
    chain_modules(labse, "cls")
    plain = vectors(labse)
    chain_modules(labse, "cls", NORMALIZE, dense(DIM, DIM))
    save_file(weights, labse / "3_Dense" / "model.safetensors")
    linear = torch.from_numpy(plain) @ weights["linear.weight"].T + weights["linear.bias"]
    wanted = torch.nn.functional.normalize(torch.tanh(linear), dim=1).numpy()
    assert np.abs(vectors(labse) - wanted).max() < 1e-5


@pytest.mark.parametrize("name", [name for name in CHAINS if name not in ("EmbeddingGemma", "GTR")])
def test_numpy_gives_what_torch_gives(name: str, built: Callable[[str], Path]) -> None:
    files, version = described(built(name))
    found = NumpyTexts(files, version).encode_queries(TEXTS)
    assert found.dtype == np.float32
    assert np.abs(found - vectors(built(name))).max() < 1e-3


def test_activation_that_numpy_lacks_is_left_to_torch(labse: Path) -> None:
    chain_modules(labse, "cls", dense(DIM, DIM, "torch.nn.Mish"))
    with pytest.raises(ModelUnsupported, match="not read by numpy"):
        NumpyTexts(*described(labse))
    assert vectors(labse).shape == (len(TEXTS), DIM)


def test_weights_of_a_module_are_part_of_the_version(labse: Path) -> None:
    _, before = described(labse)
    path = labse / "2_Dense" / "model.safetensors"
    save_file({name: values + 0.01 for name, values in load_file(path).items()}, path)
    files, after = described(labse)
    assert path in files.hashed
    assert after.fingerprint != before.fingerprint
    assert after.preprocessing == before.preprocessing


def test_order_and_settings_of_modules_are_part_of_the_version(labse: Path) -> None:
    found = {described(labse)[1].fingerprint}
    for steps in (
        [NORMALIZE, dense(DIM, DIM)],
        [dense(DIM, DIM, IDENTITY)],
        [dense(DIM, DIM, use_residual=True)],
        [dense(DIM, DIM), ("LayerNorm", {"dimension": DIM})],
    ):
        chain_modules(labse, "cls", *steps)
        found.add(described(labse)[1].fingerprint)
    assert len(found) == 5


def test_normalize_at_the_end_changes_nothing(labse: Path) -> None:
    before = described(labse)[1]
    chain_modules(labse, "cls", dense(DIM, DIM))
    assert described(labse)[1].preprocessing == before.preprocessing


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (dense(DIM, DIM, "os.system"), "the activation os.system, which is not known"),
        (dense(DIM, DIM, "torch.nn.Linear"), "the activation torch.nn.Linear"),
        (dense(DIM, DIM, "torch.nn.Tanh; import os"), "not known here"),
        (dense(DIM + 1, DIM), f"takes {DIM + 1} dimensions, and is given {DIM}"),
        (dense(DIM, DIM, module_input_name="token_embeddings"), "token_embeddings; only"),
        (dense(DIM, 0), "makes no sense"),
        (("LayerNorm", {"dimension": "wide"}), "makes no sense"),
        (("LSTM", {}), "modules LSTM, which are not known"),
    ],
)
def test_step_that_is_not_known_is_refused(labse: Path, step: Any, told: str) -> None:
    (labse / "2_Dense" / "config.json").unlink()
    modules = json.loads((labse / "modules.json").read_text())
    modules[2]["type"], modules[2]["path"] = f"sentence_transformers.models.{step[0]}", "2_Dense"
    (labse / "modules.json").write_text(json.dumps(modules))
    (labse / "2_Dense" / "config.json").write_text(json.dumps(step[1]))
    with pytest.raises(ModelUnsupported, match=told):
        described(labse)


@pytest.mark.parametrize("path", ["", "..", "../elsewhere", "a/b"])
def test_module_outside_the_models_folder_is_not_looked_for(labse: Path, path: str) -> None:
    modules = json.loads((labse / "modules.json").read_text())
    modules[2]["path"] = path
    (labse / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ModelUnsupported, match="odd modules"):
        described(labse)


def _without(labse: Path) -> None:
    (labse / "2_Dense" / "model.safetensors").unlink()


def _pickled(labse: Path) -> None:
    _without(labse)
    (labse / "2_Dense" / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'true'\ntR.")


def _cut_off(labse: Path) -> None:
    path = labse / "2_Dense" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100])


def _of_another_shape(labse: Path) -> None:
    tensors = {"linear.weight": torch.zeros(3, 4), "linear.bias": torch.zeros(3)}
    save_file(tensors, labse / "2_Dense" / "model.safetensors")


@pytest.mark.parametrize(
    ("damage", "refusal", "told"),
    [
        (_without, ModelUnavailable, "copy the model's subfolders there too"),
        (_pickled, ModelUnsupported, "pickles"),
        (_cut_off, ModelUnavailable, "cannot be loaded"),
        (_of_another_shape, ModelUnavailable, r"linear.weight of shape \(3, 4\)"),
    ],
)
def test_damaged_module_is_refused_by_name(
    labse: Path, damage: Callable[[Path], None], refusal: type[CrossmodalError], told: str
) -> None:
    damage(labse)
    with pytest.raises(refusal, match=told):
        vectors(labse)
