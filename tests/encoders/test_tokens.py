from __future__ import annotations

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from crossmodal.encoders.tokens import TokenMeasure, cut_measure, measure_of
from crossmodal.errors import ModelUnavailable, ModelUnsupported
from crossmodal.models import files as model_files
from crossmodal.models.options import ModelSpec
from tests.minilm import minilm
from tests.tiny_model import (
    TEXT_LENGTH,
    build_tiny_clap,
    build_tiny_clip,
    build_tiny_sentence,
    build_tiny_siglip,
)

ODD_TEXTS = [
    "",
    " \n\t",
    "Çafé naïve",
    "a [SEP] b [CLS] <|endoftext|>",
    "日本語 テスト",
    "😀😀 emoji",
    "İstanbul ﷺ ﬁ",
    "x" * 300,
    "\x00\x01 control",
    "e\u0301 combining",
    "half a character \ud83d here",
]


def measure(directory: Path) -> TokenMeasure:
    return measure_of(model_files.resolve(ModelSpec(str(directory))))


def edit_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.fixture(scope="module")
def sentence(tmp_path_factory) -> Path:
    return build_tiny_sentence(tmp_path_factory.mktemp("models") / "sentence")


@pytest.fixture
def model(sentence: Path, tmp_path: Path) -> Path:
    """Return a copy of the tiny text model, free to be tampered with."""
    return Path(shutil.copytree(sentence, tmp_path / "model"))


@pytest.mark.parametrize("build", [build_tiny_clip, build_tiny_sentence, build_tiny_clap])
def test_two_special_tokens_are_taken_off_the_models_length(build, tmp_path: Path) -> None:
    assert measure(build(tmp_path / "model")).max_tokens == TEXT_LENGTH - 2


def test_positions_beyond_the_padding_token_are_not_promised(tmp_path: Path) -> None:
    clap = build_tiny_clap(tmp_path / "model")
    (clap / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    text = json.loads((clap / "config.json").read_text())["text_config"]
    assert text["max_position_embeddings"] == TEXT_LENGTH + 1
    assert measure(clap).max_tokens == TEXT_LENGTH - 2


@pytest.mark.parametrize(("wanted", "max_tokens"), [(16, 14), (None, TEXT_LENGTH - 2)])
def test_length_of_a_text_model_is_its_own_wish(model: Path, wanted, max_tokens) -> None:
    edit_json(model / "sentence_bert_config.json", max_seq_length=wanted)
    assert measure(model).max_tokens == max_tokens


def test_length_is_never_more_than_there_are_positions(model: Path) -> None:
    edit_json(model / "sentence_bert_config.json", max_seq_length=10_000)
    assert measure(model).max_tokens == TEXT_LENGTH - 2


def test_document_prompt_is_taken_off_too(model: Path) -> None:
    prompts = {"document": "text: ", "query": "a much longer prompt: "}
    edit_json(model / "config_sentence_transformers.json", prompts=prompts)
    assert measure(model).max_tokens == TEXT_LENGTH - 2 - len("text:")


def test_model_whose_prompt_leaves_no_room_is_refused(model: Path) -> None:
    edit_json(model / "config_sentence_transformers.json", prompts={"document": "x" * 40})
    with pytest.raises(ModelUnsupported, match="none are left"):
        measure(model)


def test_tokens_are_counted_and_placed_in_the_text(sentence: Path) -> None:
    tokens = measure(sentence)
    text = "Two Café dogs"
    assert tokens.count(text) == 11
    assert "".join(text[start:stop] for start, stop in tokens.offsets(text)) == "TwoCafédogs"


@pytest.mark.parametrize("build", [build_tiny_clip, build_tiny_siglip, build_tiny_sentence])
@pytest.mark.parametrize("text", ODD_TEXTS)
def test_odd_texts_are_measured_within_their_bounds(build, tmp_path: Path, text: str) -> None:
    tokens = measure(build(tmp_path / "model"))
    offsets = tokens.offsets(text)
    assert len(offsets) == tokens.count(text)
    assert all(0 <= start <= stop <= len(text) for start, stop in offsets)


def test_special_token_in_a_text_counts_as_its_words(sentence: Path) -> None:
    assert measure(sentence).count("[SEP]") == len("[sep]")


def test_text_longer_than_the_model_is_not_cut(sentence: Path) -> None:
    assert measure(sentence).count("a " * 5000) == 5000


def test_lower_casing_keeps_the_places_of_characters(model: Path) -> None:
    edit_json(model / "sentence_bert_config.json", do_lower_case=True)
    text = "İİ dogs"
    assert [text[start:stop] for start, stop in measure(model).offsets(text)][-4:] == list("dogs")


def test_measure_is_read_once_and_shared_by_threads(sentence: Path) -> None:
    tokens = measure(sentence)
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda n: measure(sentence).count("a " * n), range(200)))
    assert counts == list(range(200))
    assert measure(sentence) is tokens


def test_measure_of_a_version_costs_neither_torch_nor_its_weights(sentence: Path) -> None:
    code = (
        "import sys\n"
        "from crossmodal.models import files as model_files\n"
        "from crossmodal.models.options import ModelSpec\n"
        "from crossmodal.encoders.tokens import cut_measure\n"
        "files = model_files.resolve(ModelSpec(sys.argv[1]))\n"
        "print(cut_measure(model_files.describe(files, 'float32', 'f' * 64)).count('dog'))\n"
        "print({'torch', 'transformers', 'daft', 'PIL'} & set(sys.modules))\n"
    )
    command = [sys.executable, "-c", code, str(sentence)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["3", "set()"]


def test_other_tokenizer_or_length_is_another_measure(sentence: Path, model: Path) -> None:
    before = measure(sentence).fingerprint
    assert measure(model).fingerprint == before
    edit_json(model / "sentence_bert_config.json", max_seq_length=16)
    shorter = measure(model).fingerprint
    edit_json(model / "tokenizer.json", version="1.1")
    assert len({before, shorter, measure_fingerprint(model)}) == 3


def measure_fingerprint(directory: Path) -> str:
    files = model_files.resolve(ModelSpec(str(directory)))
    return model_files.preprocessing(files).text.fingerprint


def test_model_with_only_slow_tokenizer_files_is_measured_alike(model: Path) -> None:
    fast = measure(model)
    vocabulary = json.loads((model / "tokenizer.json").read_text())["model"]["vocab"]
    (model / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    (model / "tokenizer.json").unlink()
    slow = measure(model)
    assert slow is not fast
    assert slow.max_tokens == fast.max_tokens
    assert all(slow.offsets(text) == fast.offsets(text) for text in ODD_TEXTS)


def test_model_without_a_tokenizer_is_refused(model: Path) -> None:
    (model / "tokenizer.json").unlink()
    with pytest.raises(ModelUnavailable, match=r"copy the model's tokenizer\.json"):
        measure(model)


def test_damaged_tokenizer_is_refused_by_name(model: Path) -> None:
    (model / "tokenizer.json").write_text("{")
    with pytest.raises(ModelUnavailable, match=r"tokenizer\.json cannot be loaded"):
        measure(model)


def test_real_model_is_measured_as_its_own_tokenizer_does() -> None:
    from transformers import AutoTokenizer

    directory = minilm()
    files = model_files.resolve(ModelSpec(str(directory)))
    tokens = cut_measure(model_files.describe(files, "float32", "w" * 64))
    tokenizer = AutoTokenizer.from_pretrained(directory, split_special_tokens=True)
    assert tokens.max_tokens == 254
    for text in ODD_TEXTS[:-1]:
        assert tokens.count(text) == len(tokenizer(text, add_special_tokens=False)["input_ids"])
