"""Hold what every reranker of transformers does alike: load its weights and take its turn.

Owns the way from a folder to a model on a device, and refuses folders that are not what they say:
a reranker with random numbers in place of weights would order hits at random and nobody would see.
Code that a folder brings along is never run.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from crossmodal.encoders.forward import choose_device, num_passes
from crossmodal.encoders.rerankers.reranker import Floats
from crossmodal.encoders.tokens import load_tokenizer, quiet_transformers
from crossmodal.errors import ModelUnavailable, ModelUnsupported, RerankFailed
from crossmodal.models.folder import ModelFiles, digest, hash_of, read_object
from crossmodal.models.text_preprocess import readable

if TYPE_CHECKING:
    import torch

REVISION = 1
"""Raised when the same files would give other scores; part of every fingerprint."""
_MAX_TOKENS = 512
_TURN = threading.Lock()


class LoadedReranker:
    """Serve one loaded model; safe to share between threads."""

    def __init__(self, files: ModelFiles, model: Any, device: str) -> None:
        self._files = files
        self._model = model
        self._device = device
        self._accepted = set(inspect.signature(model.forward).parameters)
        weights = hash_of(files.hashed)
        self.label = f"{files.name.rstrip('/').rsplit('/', 1)[-1]}@{weights[:8]}"
        settings = {path.name: path.read_text("utf-8") for path in _settings(files)}
        self.fingerprint = digest({"weights": weights, "revision": REVISION, **settings})

    @cached_property
    def _tokenizer(self) -> Any:
        return load_tokenizer(self._files.directory)

    def _tokens(self, texts: Sequence[str], others: Sequence[str] | None = None) -> Any:
        """Return the tokens of texts, or of pairs of which only the second one is cut."""
        pairs = [readable(text) for text in others] if others is not None else None
        return self._tokenizer(
            [readable(text) for text in texts],
            pairs,
            padding=True,
            truncation="only_second" if pairs else True,
            max_length=self._max_tokens,
            return_tensors="pt",
        )

    @cached_property
    def _max_tokens(self) -> int:
        """Return how many tokens the model has positions for, special ones included."""
        return min(_MAX_TOKENS, int(self._tokenizer.model_max_length), self._positions)

    @property
    def _positions(self) -> int:
        config = self._model.config
        text = getattr(config, "text_config", None) or getattr(config, "qformer_config", None)
        positions = getattr(text or config, "max_position_embeddings", _MAX_TOKENS)
        # Roberta and its like count positions from the one after the padding's.
        counts_on = "roberta" in config.model_type or config.model_type == "bridgetower"
        return int(positions) - (2 if counts_on else 0)

    def _run(self, inputs: Any, **more: Any) -> Any:
        """Return what the model makes of inputs, of which it is given those that it takes."""
        import torch

        taken = {k: v.to(self._device) for k, v in dict(inputs).items() if k in self._accepted}
        with _TURN, torch.inference_mode():
            if self._device == "cpu":
                torch.set_num_threads(num_passes("cpu"))
            try:
                return self._model(**taken, **more)
            except (MemoryError, RuntimeError) as error:
                cause = (str(error).splitlines() or [type(error).__name__])[0][:200]
                raise RerankFailed(f"{self.label} cannot judge these pairs: {cause}") from error

    def _finite(self, scores: torch.Tensor) -> Floats:
        array: Floats = scores.float().cpu().numpy()
        if not np.isfinite(array).all():
            raise RerankFailed(f"{self.label} gave scores that are no numbers")
        return array


def margin(logits: torch.Tensor) -> torch.Tensor:
    """Return (n,) how much rather a pair matches than not, of (n, 1) or (n, 2) logits."""
    return logits[:, 0] if logits.shape[1] == 1 else logits[:, 1] - logits[:, 0]


def load_weights(
    files: ModelFiles, class_of: Callable[[Any], Any], device: str, unused: str = "\0"
) -> tuple[Any, str]:
    """Return the model in float32 on a device, and the device; ``class_of`` takes transformers.

    Weights whose name begins with ``unused`` may lack.

    Raises:
        ModelUnavailable: the files are damaged or lack weights, or the device is missing.
    """
    import torch

    place = choose_device(device)
    with quiet_transformers() as transformers:
        try:
            model, report = class_of(transformers).from_pretrained(
                files.directory,
                dtype=torch.float32,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
        except Exception as error:  # safetensors and pickle raise types of their own
            raise ModelUnavailable(f"{files.directory} cannot be loaded: {error}") from error
    missing = sorted(key for key in report["missing_keys"] if not key.startswith(unused))
    if missing:
        raise ModelUnavailable(
            f"the weights in {files.directory} lack {len(missing)} tensors of "
            f"{type(model).__name__}, such as {missing[0]}"
        )
    return model.eval().to(place), place


def load_processor(files: ModelFiles, name: str) -> Any:
    """Return what prepares the model's inputs, by the name of an Auto class of transformers.

    Raises:
        ModelUnsupported: the folder lacks its files, or it needs what is not installed.
    """
    with quiet_transformers() as transformers:
        try:
            return getattr(transformers, name).from_pretrained(
                files.directory, local_files_only=True, trust_remote_code=False
            )
        except Exception as error:  # the libraries behind it raise types of their own
            cause = (str(error).splitlines() or [type(error).__name__])[0][:300]
            raise ModelUnsupported(
                f"the inputs of {files.name} cannot be prepared: {cause}"
            ) from error


def config_of(files: ModelFiles) -> dict[str, Any]:
    """Return the model's configuration; raises ModelUnsupported where it is damaged."""
    return read_object(files.directory, "config.json")


def _settings(files: ModelFiles) -> list[Any]:
    return sorted(path for path in files.directory.glob("*.json") if "index" not in path.name)
