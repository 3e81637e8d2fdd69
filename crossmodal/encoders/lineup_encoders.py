"""Keep the encoders of a line-up at hand: each is loaded when something first needs it.

A run over photos never loads the encoder for passages, nor one over notes that for sounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crossmodal.chunking.pieces import CutTools
from crossmodal.encoders.backends.names import TORCH
from crossmodal.encoders.cache import load_version
from crossmodal.records import Lineup

if TYPE_CHECKING:
    from crossmodal.encoders.encoder import Encoder

_DEFAULT_SAMPLE_RATE_HZ = 48_000


@dataclass(frozen=True, slots=True)
class Encoders:
    """Load and lend the encoders of a line-up."""

    lineup: Lineup
    device: str = "auto"
    backends: Mapping[str, str] = field(default_factory=dict)
    """By modality, what runs the tower where that is not torch."""

    def backend(self, modality: str) -> str:
        """Return what runs the tower of a modality."""
        return self.backends.get(modality, TORCH)

    def of(self, modality: str) -> Encoder:
        """Return the encoder that serves a modality, loading it at need."""
        version = self.lineup.serving[modality]
        return load_version(version, self.device, self.backend(modality))

    def load(self, modalities: Iterable[str]) -> None:
        """Load what will be needed, so that a model that cannot be used is told of early."""
        for modality in modalities:
            if modality in self.lineup.serving:
                self.of(modality)

    def tools(self) -> CutTools:
        """Return what chunkers need to know of the encoders; loads no weights."""
        from crossmodal.encoders.tokens import cut_measure
        from crossmodal.models.clip_preprocess import clip_form
        from crossmodal.models.files import files_of, preprocessing

        serving = self.lineup.serving
        audio = preprocessing(files_of(serving["audio"])).audio if "audio" in serving else None
        images = preprocessing(files_of(self.lineup.joint)).image
        return CutTools(
            measure=cut_measure(serving.get("text", self.lineup.joint)),
            embed_sentences=lambda texts: self.of("text").encode_texts(list(texts)),
            sample_rate_hz=audio.sample_rate_hz if audio else _DEFAULT_SAMPLE_RATE_HZ,
            min_side=images.min_side if images else None,
            clip=clip_form(images),
        )
