"""Run a Qwen3-VL embedding model: texts, pictures and clips as a talk, the last token the vector.

Owns the talk that the model was trained on (an instruction, what the user gives, the begin of an
answer), the times before the frames of a clip, and the order of patches; refuses to read or decode
files.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crossmodal.encoders.encoder import Encoded, vectors_or_raise
from crossmodal.encoders.forward import Forward
from crossmodal.encoders.loaded import LoadedEncoder
from crossmodal.encoders.sentence_head import SentenceHead
from crossmodal.encoders.sequences import (
    Frame,
    Sequences,
    SpecialTokens,
    padded,
    pictures_and_clips,
)
from crossmodal.encoders.text_forward import TextForward
from crossmodal.models.clip_preprocess import frames_of, times_s
from crossmodal.models.folder import ModelFiles
from crossmodal.models.image_preprocess import ImagePreprocess
from crossmodal.models.patch_preprocess import shapes_of
from crossmodal.records import ModelVersion

if TYPE_CHECKING:
    import torch

_BATCH = 4
_VIDEO = 2
"""What stands for a clip among the kinds of its tokens; 0 are words, 1 pictures."""
_BEFORE = "<|im_start|>system\n{}<|im_end|>\n<|im_start|>user\n"
_AFTER = "<|im_end|>\n<|im_start|>assistant\n"


class QwenEncoder(LoadedEncoder):
    """Serve Qwen3-VL embedding models; safe to share between threads."""

    METHODS = ("language_model", "visual")

    def __init__(self, files: ModelFiles, version: ModelVersion, forward: Forward) -> None:
        super().__init__(files, version, forward)
        self._files = files
        self._head = SentenceHead(files, self._settings.text, forward.device)
        settings = self._settings.text
        self._documents = self._turns(settings.document_prompt)
        self._queries = self._turns(settings.query_prompt)

    @property
    def preprocess(self) -> ImagePreprocess:
        """Return how an image becomes the rows of patches that ``encode_images`` takes."""
        assert self._settings.image is not None
        return self._settings.image

    def encode_passages(self, texts: Sequence[str]) -> Encoded:
        """Embed texts that are searched; those that do not fit the model are named in ``cut``."""
        return self._documents.encode(texts)

    def encode_queries(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return (n, dim) float32 vectors, L2-normalised, with the instruction for queries.

        Raises:
            ModelUnsupported: The model gave no vector for a text.
        """
        return vectors_or_raise(self.version, self._queries.encode(texts))

    def encode_images(self, pixels: npt.NDArray[np.uint8]) -> Encoded:
        """Embed (n, 1 + patches, pixels of a patch, 3) rows of patches, of pictures or of clips."""
        return self._forward.encode(self._image_features, pixels)

    def _turns(self, instruction: str) -> TextForward:
        features = partial(self._instructed, instruction)
        return TextForward(self._files, self._settings.text, self._forward, features)

    def _text_features(self, tokens: dict[str, torch.Tensor]) -> Any:
        return self._instructed(self._settings.text.document_prompt, tokens)

    def _instructed(self, instruction: str, tokens: dict[str, torch.Tensor]) -> Any:
        frame = self._frame(instruction)
        kept = zip(tokens["input_ids"], tokens["attention_mask"].bool(), strict=True)
        return self._last(self._padded([frame.around(ids[mask].tolist()) for ids, mask in kept]))

    def _image_features(self, rows: npt.NDArray[np.uint8]) -> Any:
        return pictures_and_clips(rows, self._picture_features, self._clip_features, _BATCH)

    def _picture_features(self, rows: npt.NDArray[np.uint8]) -> Any:
        shapes_N2, config = shapes_of(rows), self._model.config
        side = config.vision_config.spatial_merge_size
        frame = self._frame(self._settings.text.document_prompt)
        sequences = self._padded(
            [
                frame.around(
                    [
                        config.vision_start_token_id,
                        *[config.image_token_id] * int(count),
                        config.vision_end_token_id,
                    ]
                )
                for count in shapes_N2.prod(axis=1) // side**2
            ]
        )
        return self._last(
            sequences,
            pixel_values=self._patches(rows, shapes_N2, side),
            image_grid_thw=self._grids(np.insert(shapes_N2, 0, 1, axis=1)),
            mm_token_type_ids=(sequences.ids == config.image_token_id).int(),
        )

    def _clip_features(self, rows: npt.NDArray[np.uint8]) -> Any:
        shapes_N2, config = shapes_of(rows), self._model.config
        side, token = config.vision_config.spatial_merge_size, config.video_token_id
        counts_N = shapes_N2.prod(axis=1) // side**2
        sequences = self._padded(
            [
                self._talk_of_clip(times_s(row), int(count))
                for row, count in zip(rows, counts_N, strict=True)
            ]
        )
        together = config.vision_config.temporal_patch_size
        return self._last(
            sequences,
            pixel_values_videos=self._patches(rows, shapes_N2, side),
            video_grid_thw=self._grids(
                np.insert(shapes_N2, 0, frames_of(rows) // together, axis=1)
            ),
            mm_token_type_ids=(sequences.ids == token).int() * _VIDEO,
        )

    def _talk_of_clip(self, times: Sequence[float], num_tokens: int) -> list[int]:
        """Return the tokens of a clip: the mean time of each two frames, then what they look like.

        As Qwen3VLProcessor of transformers 5.23 writes it: ``<0.2 seconds>``.
        """
        config, name = self._model.config, self._special.name
        seen = "".join(
            map(
                name,
                (config.vision_start_token_id, config.video_token_id, config.vision_end_token_id),
            )
        )
        together = config.vision_config.temporal_patch_size
        moments = np.reshape(times, (-1, together))[:, [0, -1]].mean(axis=1)
        talk = "".join(f"<{moment:.1f} seconds>{seen}" for moment in moments)
        before = _BEFORE.format(self._settings.text.document_prompt)
        ids = self._special.ids(before + talk + _AFTER, whole=False)
        many = {config.video_token_id: num_tokens}
        return [token for token in ids for _ in range(many.get(token, 1))]

    def _grids(self, grids_N3: npt.NDArray[np.int64]) -> torch.Tensor:
        import torch

        return torch.from_numpy(grids_N3).to(self._forward.device)

    def _patches(
        self, rows: npt.NDArray[np.uint8], shapes_N2: npt.NDArray[np.int64], side: int
    ) -> torch.Tensor:
        """Return the (patches of all, values) of pictures or of clips: squares together.

        Two frames of a clip become patches together; a picture is doubled.
        """
        import torch

        image, size = self.preprocess, self._model.config.vision_config.patch_size
        doubled = self._model.config.vision_config.temporal_patch_size
        counts_N = np.maximum(frames_of(rows), 1)
        together = doubled if counts_N.max() > 1 else 1
        kept = [
            row[1 : 1 + count * down * across]
            .reshape(-1, together, down // side, side, across // side, side, size, size, 3)
            .transpose(0, 2, 4, 3, 5, 8, 1, 6, 7)
            .reshape(-1, 3, together, size * size)
            for row, count, (down, across) in zip(rows, counts_N, shapes_N2.tolist(), strict=True)
        ]
        pixels_PCFV = torch.from_numpy(np.concatenate(kept)).to(self._forward.device).float()
        mean, std = (
            torch.tensor(values, device=self._forward.device).reshape(3, 1, 1)
            for values in (image.mean, image.std)
        )
        scaled_PCFV = (pixels_PCFV * image.rescale - mean) / std
        return scaled_PCFV.expand(-1, -1, doubled, -1).flatten(1).to(self._model.dtype)

    def _last(self, sequences: Sequences, **inputs: Any) -> Any:
        states_NTD = self._model(
            input_ids=sequences.ids, attention_mask=sequences.mask, use_cache=False, **inputs
        ).last_hidden_state
        return self._head(states_NTD, sequences.mask)

    def _padded(self, rows: Sequence[Sequence[int]]) -> Sequences:
        return padded(rows, 0, self._forward.device)

    def _frame(self, instruction: str) -> Frame:
        before = self._special.ids(_BEFORE.format(instruction), whole=False)
        return Frame(before, self._special.ids(_AFTER, whole=False))

    @cached_property
    def _special(self) -> SpecialTokens:
        return SpecialTokens(self._files.directory)
