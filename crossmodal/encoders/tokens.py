"""Measure text in the tokens of the encoder that will read it, without its weights.

Owns the tokenizer as chunkers see it; refuses to import torch. What fits the measure is read
whole by the encoder: special tokens and the document prompt are taken off beforehand.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossmodal.errors import ModelUnavailable, ModelUnsupported
from crossmodal.models import files as model_files
from crossmodal.models.folder import ModelFiles
from crossmodal.models.text_preprocess import TOKENIZER_FILE, TextPreprocess, readable
from crossmodal.records import ModelVersion

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer


class TokenMeasure:
    """Count the tokens of texts; safe to share between threads."""

    def __init__(self, tokenizer: Tokenizer, settings: TextPreprocess) -> None:
        self._tokenizer = tokenizer
        self.fingerprint = settings.fingerprint
        self.max_length = settings.max_length
        """Tokens, special ones included."""
        num_special = tokenizer.num_special_tokens_to_add(is_pair=False)
        self.max_tokens = settings.max_length - num_special - self.count(settings.document_prompt)

    def count(self, text: str) -> int:
        """Return the number of tokens, special ones not counted."""
        return len(self._encode(text).ids)

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Return for each token the half-open range of characters that it stands for."""
        return self._encode(text).offsets

    def _encode(self, text: str) -> Encoding:
        return self._tokenizer.encode(readable(text), add_special_tokens=False)


def cut_measure(version: ModelVersion) -> TokenMeasure:
    """Return the measure of a model version's text encoder; loads no weights.

    Raises:
        ModelUnavailable, ModelUnsupported: its files are gone, or have no usable tokenizer.
    """
    return measure_of(model_files.files_of(version))


def measure_of(files: ModelFiles) -> TokenMeasure:
    """Return the measure of a model's text encoder, read once a process.

    Raises:
        ModelUnavailable, ModelUnsupported: it has no usable tokenizer.
    """
    return _measure(files.directory, model_files.preprocessing(files).text)


@lru_cache(maxsize=8)
def _measure(directory: Path, settings: TextPreprocess) -> TokenMeasure:
    measure = TokenMeasure(_tokenizer(directory, settings), settings)
    if measure.max_tokens < 1:
        raise ModelUnsupported(f"{directory} reads {settings.max_length} tokens: none are left")
    return measure


def _tokenizer(directory: Path, settings: TextPreprocess) -> Tokenizer:
    """Return a tokenizer that nobody changes, so that threads may share it."""
    path = directory / TOKENIZER_FILE
    tokenizer = _from_file(path) if path.is_file() else _from_slow_files(directory)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    set_up(tokenizer, settings)
    return tokenizer


def set_up(tokenizer: Tokenizer, settings: TextPreprocess) -> None:
    """Make a tokenizer read texts as the settings say; the encoders' and the measure's alike."""
    from tokenizers.normalizers import Lowercase, Sequence

    # A document about tokenizers may contain "[SEP]": these are its words, not an end of text.
    tokenizer.encode_special_tokens = True
    if settings.lower_case:
        given = tokenizer.normalizer
        tokenizer.normalizer = Sequence([Lowercase(), given]) if given else Lowercase()


def _from_file(path: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise ModelUnavailable(f"{path} cannot be loaded: {error}") from error


def _from_slow_files(directory: Path) -> Any:
    from tokenizers import Tokenizer

    converted = getattr(load_tokenizer(directory), "backend_tokenizer", None)
    if not isinstance(converted, Tokenizer):
        raise ModelUnsupported(
            f"the tokenizer in {directory} cannot tell where its tokens stand: "
            f"put the model's {TOKENIZER_FILE} there"
        )
    # Its own copy: the encoder's is changed by every call.
    return Tokenizer.from_str(converted.to_str())


def load_tokenizer(directory: Path, *, split_special: bool = True) -> Any:
    """Return the model's tokenizer, which takes special tokens in a text for words.

    Without ``split_special`` it takes them for what they are, which is nothing for texts of others.

    Raises:
        ModelUnavailable: Its files are damaged.
    """
    with quiet_transformers() as transformers:
        try:
            return transformers.AutoTokenizer.from_pretrained(
                directory,
                local_files_only=True,
                trust_remote_code=False,
                split_special_tokens=split_special,
            )
        except Exception as error:  # the libraries behind it raise types of their own
            raise ModelUnavailable(
                f"the tokenizer in {directory} cannot be loaded: {error}"
            ) from error


@contextmanager
def quiet_transformers() -> Iterator[Any]:
    """Yield transformers with its progress bars, advice and warnings off."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import transformers

        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        yield transformers
