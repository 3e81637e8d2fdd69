"""Run EmbeddingGemma 2: texts, pictures and sound are one sequence of tokens each, one vector out.

Owns the tokens that stand for pictures and sound; a sequence is what the processor of transformers
makes of a picture or a sound without words. Refuses to read or decode files.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crossmodal.encoders.encoder import Encoded
from crossmodal.encoders.forward import Forward
from crossmodal.encoders.sentence_head import SentenceHead
from crossmodal.encoders.sequences import Frame, Sequences, SpecialTokens, padded
from crossmodal.encoders.sound import SoundEncoder
from crossmodal.errors import ModelUnsupported
from crossmodal.models.audio_preprocess import WaveformPreprocess
from crossmodal.models.folder import ModelFiles
from crossmodal.models.image_preprocess import ImagePreprocess
from crossmodal.models.patch_preprocess import PooledPatches, shapes_of
from crossmodal.records import ModelVersion

if TYPE_CHECKING:
    import torch

_BATCH = 8
# Two convolutions of stride 2, each over three frames with one of padding.
_NUM_STRIDES = 2
_PICTURE = ("boi_token_id", "image_token_id", "eoi_token_id")
_SOUND = ("boa_token_id", "audio_token_id", "eoa_token_index")


class GemmaEncoder(SoundEncoder):
    """Serve EmbeddingGemma 2; safe to share between threads."""

    METHODS = ("language_model",)

    def __init__(self, files: ModelFiles, version: ModelVersion, forward: Forward) -> None:
        super().__init__(files, version, forward)
        self._files = files
        self._head = SentenceHead(files, self._settings.text, forward.device)

    @property
    def preprocess(self) -> ImagePreprocess:
        """Return how an image becomes the rows of patches that ``encode_images`` takes."""
        image = self._settings.image
        return super().preprocess if image is None else image

    def encode_images(self, pixels: npt.NDArray[np.uint8]) -> Encoded:
        """Embed (n, 1 + patches, pixels of a patch, 3) rows of patches."""
        return self._forward.encode(self._image_features, pixels)

    def _text_features(self, tokens: dict[str, torch.Tensor]) -> Any:
        return self._pooled(tokens["input_ids"], tokens["attention_mask"])

    def _image_features(self, rows: npt.NDArray[np.uint8]) -> Any:
        import torch

        if len(rows) > _BATCH:  # its patches take much more memory than the pixels they came from
            parts = [rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH)]
            return torch.cat([self._image_features(part) for part in parts])
        patches = self.preprocess
        assert isinstance(patches, PooledPatches), f"{self.version.label} takes no pooled patches"
        device, shapes_N2 = self._forward.device, shapes_of(rows)
        places_NP2 = torch.from_numpy(_places(shapes_N2, patches.max_patches))
        pixels_NPV = torch.from_numpy(rows[:, 1:].astype(np.float32)).flatten(2) * patches.rescale
        num_tokens = (shapes_N2.prod(axis=1) // patches.kernel**2).tolist()
        return self._pooled(
            *self._framed(_PICTURE, num_tokens),
            pixel_values=pixels_NPV.to(device, self._model.dtype),
            image_position_ids=places_NP2.to(device),
        )

    def _audio_features(self, parts: list[npt.NDArray[np.float32]]) -> Any:
        heard = self._extractor(
            parts, sampling_rate=self.audio.sample_rate_hz, return_tensors="pt", padding="longest"
        )
        mask_NF = heard["input_features_mask"]
        kept_NF = mask_NF
        for _ in range(_NUM_STRIDES):
            kept_NF = kept_NF[:, ::2]
        device = self._forward.device
        return self._pooled(
            *self._framed(_SOUND, kept_NF.sum(dim=1).tolist()),
            input_features=heard["input_features"].to(device, self._model.dtype),
            input_features_mask=mask_NF.to(device),
        )

    def _pooled(self, ids_NT: torch.Tensor, mask_NT: torch.Tensor, **inputs: Any) -> Any:
        states_NTD = self._model(
            input_ids=ids_NT, attention_mask=mask_NT, **inputs
        ).last_hidden_state
        return self._head(states_NTD, mask_NT)

    def _framed(self, names: Sequence[str], counts: Sequence[int]) -> Sequences:
        """Return sequences of so many soft tokens, between those that begin and end them."""
        config = self._model.config
        begin, token, end = (getattr(config, name) for name in names)
        ids = self._special.ids("".join(map(self._special.name, (begin, token, end))), whole=True)
        if ids.count(token) != 1:
            raise ModelUnsupported(
                f"the tokenizer of {self.version.label} lacks a token that its config.json has for "
                f"pictures or sound: one of {begin}, {token} and {end}"
            )
        place = ids.index(token)
        frame = Frame(ids[:place], ids[place + 1 :])
        rows = [frame.around([token] * count) for count in counts]
        return padded(rows, config.text_config.pad_token_id or 0, self._forward.device)

    @cached_property
    def _special(self) -> SpecialTokens:
        return SpecialTokens(self._files.directory)

    @cached_property
    def _extractor(self) -> Any:
        from transformers import Gemma4AudioFeatureExtractor

        assert isinstance(self.audio, WaveformPreprocess)
        return Gemma4AudioFeatureExtractor(**dict(self.audio.settings))


def _places(shapes_N2: npt.NDArray[np.int64], num_patches: int) -> npt.NDArray[np.int64]:
    """Return the (n, patches, 2) places of patches, across and down; -1 where none is."""
    numbers_P = np.arange(num_patches)
    across_N1 = shapes_N2[:, 1:]
    places_NP2 = np.stack([numbers_P % across_N1, numbers_P // across_N1], axis=2)
    places_NP2[numbers_P >= shapes_N2.prod(axis=1, keepdims=True)] = -1
    return places_NP2
