"""Turn search queries into the vectors that a model's text tower gives, by numpy.

Owns which models it knows: BERT before the modules of sentence-transformers, CLIP, and CLIP's like
with BERT for texts. Whether it gives what torch gives is measured, once a model version
(``checked``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from crossmodal.encoders.numpy_text.head import numpy_head
from crossmodal.encoders.numpy_text.towers import Bert, Clip, Ids, projected
from crossmodal.encoders.numpy_text.weights import Floats, Weights
from crossmodal.encoders.tokens import set_up
from crossmodal.errors import ModelUnsupported
from crossmodal.models import files as model_files
from crossmodal.models.folder import ModelFiles, read_object
from crossmodal.models.text_preprocess import TOKENIZER_FILE, TextPreprocess, readable
from crossmodal.records import ModelVersion

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class NumpyTexts:
    """Serve the queries of one model version.

    Raises:
        ModelUnsupported: it is no model that is known here, or its files are none.
    """

    def __init__(self, files: ModelFiles, version: ModelVersion) -> None:
        self.version = version
        self._settings = model_files.preprocessing(files).text
        try:
            weights = Weights(files.weights, version.dtype)
            self._features = _features(files, weights, self._settings)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelUnsupported(f"{files.name} is not read by numpy: {error!r}") from error
        self._tokenizer = self._read_tokenizer(files)

    def encode_queries(self, texts: Sequence[str]) -> Floats:
        """Return (n, dim) float32 vectors, L2-normalised, with the model's prompt for queries."""
        found = [self._features(self._ids(text)) for text in texts]
        rows = np.array(found, np.float32).reshape(len(texts), self.version.dim)
        unit: Floats = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit

    def _ids(self, text: str) -> Ids:
        encoded = self._tokenizer.encode(self._settings.query_prompt + readable(text))
        return np.array(encoded.ids, np.int64)

    def _read_tokenizer(self, files: ModelFiles) -> Tokenizer:
        from tokenizers import Tokenizer

        path = files.directory / TOKENIZER_FILE
        if not path.is_file() or self._settings.pad_to_max:
            raise ModelUnsupported(f"{files.name} has no {TOKENIZER_FILE}, or pads its texts")
        tokenizer = Tokenizer.from_file(str(path))
        tokenizer.no_padding()
        tokenizer.enable_truncation(self._settings.max_length)
        set_up(tokenizer, self._settings)
        return tokenizer


def _features(
    files: ModelFiles, weights: Weights, settings: TextPreprocess
) -> Callable[[Ids], Floats]:
    """Return what makes the vector of a text's tokens; KeyError where the model is not known."""
    config: dict[str, Any] = read_object(files.directory, "config.json")
    kind = config["model_type"]
    if kind == "bert" and settings.pooling:
        bert, head = Bert(weights, config), numpy_head(files, settings)
        return lambda ids_T: head(bert.states(ids_T))
    if kind == "clip":
        clip = Clip(weights, _CLIP_DEFAULTS | config["text_config"])
        return lambda ids_T: projected(weights, clip.pooled(ids_T))
    if kind == "vision-text-dual-encoder" and config["text_config"]["model_type"] == "bert":
        tower = Bert(weights, config["text_config"])
        return lambda ids_T: projected(weights, tower.pooled(ids_T))
    raise KeyError(kind)


# Which CLIP's configuration leaves out where they are these.
_CLIP_DEFAULTS = {"num_attention_heads": 8, "num_hidden_layers": 12}
