from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from crossmodal.encoders.cache import load_version
from crossmodal.encoders.sentence_head import pool
from crossmodal.encoders.text import SentenceEncoder
from crossmodal.errors import ModelMismatch, ModelUnavailable, ModelUnsupported
from crossmodal.models import files as model_files
from crossmodal.models.options import ModelSpec
from tests.minilm import minilm
from tests.tiny_model import build_tiny_sentence

TEXTS = ["a red car", "two dogs on the grass", "x", "", "words " * 40]
PROMPTS = {"query": "ask: ", "passage": "say: "}


def load(directory: Path, dtype: str = "float32") -> SentenceEncoder:
    files = model_files.resolve(ModelSpec(str(directory)))
    version = model_files.describe(files, dtype, model_files.weights_hash(files))
    return SentenceEncoder.load(files, version, "cpu")


def edit_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.fixture(scope="module")
def directory(tmp_path_factory) -> Path:
    return build_tiny_sentence(tmp_path_factory.mktemp("models") / "sentence")


@pytest.fixture
def model(directory: Path, tmp_path: Path) -> Path:
    """Return a copy of the tiny text model, free to be tampered with."""
    return Path(shutil.copytree(directory, tmp_path / "model"))


@pytest.fixture
def encoder(directory: Path) -> SentenceEncoder:
    """Return a freshly loaded tiny text model, free to be tampered with."""
    return load(directory)


def fail_over(encoder: SentenceEncoder, num_texts: int) -> list[int]:
    """Make the model run out of memory over a number of texts; return the sizes it was given."""
    sizes: list[int] = []

    def hook(_module, _args, kwargs):
        sizes.append(len(kwargs["input_ids"]))
        if sizes[-1] > num_texts:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")

    encoder._model.register_forward_pre_hook(hook, with_kwargs=True)
    return sizes


def by_hand(directory: Path, texts: list[str], max_length: int) -> np.ndarray:
    """Embed text by text with AutoModel and the mean over all tokens."""
    from transformers import AutoModel, AutoTokenizer

    model = AutoModel.from_pretrained(directory).eval()
    tokenizer = AutoTokenizer.from_pretrained(directory)
    vectors = []
    for text in texts:
        tokens = tokenizer(text, truncation=True, max_length=max_length, return_tensors="pt")
        with torch.inference_mode():
            mean = model(**tokens).last_hidden_state[0].mean(dim=0)
        vectors.append((mean / mean.norm()).numpy())
    return np.stack(vectors)


def test_vectors_are_the_mean_over_the_tokens(directory: Path, encoder) -> None:
    expected = by_hand(directory, TEXTS, max_length=24)
    assert np.allclose(encoder.encode_texts(TEXTS), expected, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_vectors_have_length_one_and_the_promised_shape(directory: Path, dtype: str) -> None:
    encoder = load(directory, dtype)
    vectors = encoder.encode_texts(TEXTS)
    assert encoder.modalities == {"text"}
    assert (vectors.shape, vectors.dtype) == ((5, encoder.version.dim), np.float32)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert encoder.encode_texts([]).shape == (0, encoder.version.dim)


def test_order_is_kept_whatever_the_lengths(encoder) -> None:
    texts = [f"{'word ' * (number % 5)}{number}" for number in range(150)]
    together = encoder.encode_texts(texts)
    alone = np.concatenate([encoder.encode_texts([text]) for text in texts[:20]])
    assert np.allclose(together[:20], alone, atol=1e-5)


def test_text_that_does_not_fit_is_named_and_one_that_just_fits_is_not(encoder) -> None:
    limit = encoder.measure.max_tokens
    encoded = encoder.encode_passages(["short", "b " * (limit + 1), "c " * limit])
    assert encoded.cut == {1}
    assert encoded.failed == {}


def test_prompts_tell_passages_from_queries(directory: Path, tmp_path: Path) -> None:
    plain = load(directory)
    asking = load(build_tiny_sentence(tmp_path / "model", prompts=PROMPTS))
    texts = ["dogs", "a red car"]
    said, asked = ([PROMPTS[name] + text for text in texts] for name in ("passage", "query"))
    assert np.allclose(asking.encode_texts(texts), plain.encode_texts(said), atol=1e-6)
    assert np.allclose(asking.encode_queries(texts), plain.encode_texts(asked), atol=1e-6)
    assert np.allclose(plain.encode_queries(texts), plain.encode_texts(texts), atol=1e-6)


def test_default_prompt_goes_before_what_has_none_of_its_own(directory: Path, model: Path) -> None:
    prompts = {"general": "text: ", "query": "ask: "}
    edit_json(
        model / "config_sentence_transformers.json", prompts=prompts, default_prompt_name="general"
    )
    expected = load(directory).encode_texts(["text: dogs"])
    assert np.allclose(load(model).encode_texts(["dogs"]), expected, atol=1e-6)


def test_special_token_in_a_text_is_no_end_of_it(encoder) -> None:
    words, ended = encoder.encode_texts(["dogs [SEP] cats", "dogs"])
    assert not np.allclose(words, ended, atol=0.01)
    assert np.allclose(encoder.encode_texts(["[CLS]"]), encoder.encode_texts(["[cls]"]), atol=1e-6)


def test_half_a_character_does_not_stop_a_batch(encoder) -> None:
    expected = encoder.encode_texts(["a \ufffd b"])
    assert np.allclose(encoder.encode_texts(["a \ud83d b"]), expected, atol=1e-6)


def test_batch_is_halved_until_it_fits_into_memory(encoder) -> None:
    texts = [f"number {number}" for number in range(8)]
    expected = encoder.encode_texts(texts)
    sizes = fail_over(encoder, 2)
    assert np.allclose(encoder.encode_texts(texts), expected, atol=1e-5)
    assert sizes == [8, 4, 2, 2, 4, 2, 2]


def test_text_that_never_fits_into_memory_fails_alone_and_a_query_says_so(encoder) -> None:
    fail_over(encoder, 0)
    encoded = encoder.encode_passages(["one", "two"])
    assert {row: failure.reason for row, failure in encoded.failed.items()} == {
        0: "out_of_memory",
        1: "out_of_memory",
    }
    with pytest.raises(ModelUnsupported, match=r"out_of_memory: CUDA .*--dtype float32"):
        encoder.encode_queries(["one"])


def test_vector_that_is_not_finite_is_a_failure_of_its_text(encoder) -> None:
    def spoil(_module, _args, output):
        output.last_hidden_state[0] = float("nan")
        return output

    encoder._model.register_forward_hook(spoil)
    encoded = encoder.encode_passages(["longer than the other", "short"])
    assert {row: failure.reason for row, failure in encoded.failed.items()} == {1: "not_finite"}


def test_threads_share_an_encoder(encoder) -> None:
    expected = encoder.encode_texts(TEXTS)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: encoder.encode_texts(TEXTS), range(24)))
    assert all(np.allclose(vectors, expected, atol=1e-5) for vectors in results)


def test_text_encoder_refuses_pictures_and_sound(encoder) -> None:
    with pytest.raises(ModelMismatch, match="embeds text, not image"):
        encoder.encode_images(np.zeros((1, 8, 8, 3), np.uint8))
    with pytest.raises(ModelMismatch, match="embeds text, not audio"):
        encoder.encode_audio([np.zeros(8, np.float32)])
    with pytest.raises(ModelMismatch, match="not image"):
        _ = encoder.image_size


def test_weights_without_the_unused_pooler_are_enough(directory: Path, model: Path) -> None:
    tensors = load_file(model / "model.safetensors")
    pooler = [key for key in tensors if key.startswith("pooler.")]
    assert pooler
    for key in pooler:
        del tensors[key]
    save_file(tensors, model / "model.safetensors", metadata={"format": "pt"})
    assert np.allclose(load(model).encode_texts(TEXTS), load(directory).encode_texts(TEXTS))


def test_incomplete_weights_are_refused(model: Path) -> None:
    tensors = load_file(model / "model.safetensors")
    del tensors["encoder.layer.1.output.dense.weight"]
    save_file(tensors, model / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelUnavailable, match=r"lack 1 tensors .*layer\.1\.output"):
        load(model)


def test_version_that_a_collection_names_is_loaded_as_a_text_encoder(directory: Path) -> None:
    files = model_files.resolve(ModelSpec(str(directory)))
    version = model_files.describe(files, "float32", model_files.weights_hash(files))
    assert version.encoders == {"text": "sentence"}
    assert isinstance(load_version(version, "cpu"), SentenceEncoder)


@pytest.mark.parametrize(
    ("mode", "expected"), [("mean", 2.0), ("max", 3.0), ("cls", 1.0), ("lasttoken", 3.0)]
)
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_on_either_side_is_left_out_of_the_pooling(mode, expected, side) -> None:
    tokens, padding = [1.0, 2.0, 3.0], [99.0, 99.0]
    row = padding + tokens if side == "left" else tokens + padding
    hidden = torch.tensor(row).reshape(1, 5, 1)
    assert pool(hidden, (hidden[..., 0] < 99).long(), mode).tolist() == [[expected]]


def test_pooling_of_the_configuration_is_followed(tmp_path: Path) -> None:
    encoder = load(build_tiny_sentence(tmp_path / "model", pooling="cls"))
    last = {}
    encoder._model.register_forward_hook(lambda *args: last.update(hidden=args[2][0]))
    vectors = encoder.encode_texts(["a red car"])
    first = torch.nn.functional.normalize(last["hidden"][:, 0], dim=-1)
    assert np.allclose(vectors, first.numpy(), atol=1e-6)


def test_real_model_knows_that_a_puppy_is_a_dog() -> None:
    dog, puppy, car = load(minilm()).encode_texts(["dog", "puppy", "car"])
    assert dog @ puppy > 0.7 > 0.6 > dog @ car


def test_real_model_gives_the_vectors_that_its_makers_describe() -> None:
    directory = minilm()
    texts = ["a dog", "İstanbul, naïve café", "the quick brown fox " * 100, ""]
    similarity = (load(directory).encode_texts(texts) * by_hand(directory, texts, 256)).sum(axis=1)
    assert similarity.min() > 0.9999
