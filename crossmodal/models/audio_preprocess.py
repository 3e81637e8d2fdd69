"""Say how a model's sound is prepared: rate, window, spectrogram.

Owns the reading of CLAP's feature extractor configuration and how a window is brought to the
length that the model takes, without chance: the extractor of transformers crops at random. Two
equal fingerprints give equal spectrograms.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from crossmodal.errors import ModelUnsupported
from crossmodal.models.folder import ModelFiles, digest, read_object

AUDIO_REVISION = 1
"""Raised when the same settings would give other spectrograms; part of the fingerprint."""

_EXTRACTOR = "ClapFeatureExtractor"
_DEFAULTS: dict[str, Any] = {
    "sampling_rate": 48_000,
    "max_length_s": 10,
    "fft_window_size": 1024,
    "hop_length": 480,
    "feature_size": 64,
    "frequency_min": 0,
    "frequency_max": 14_000,
    "truncation": "fusion",
    "padding": "repeatpad",
}
_PADDINGS = ("repeatpad", "repeat", "pad")
_MAX_SAMPLES = 1 << 25


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioPreprocess:
    """Hold the effective settings: pad to one length, then a log-mel spectrogram."""

    sample_rate_hz: int
    num_samples: int
    """Of the one window that the model hears at once."""
    fft_size: int
    hop: int
    num_mels: int
    min_hz: float
    max_hz: float
    fused: bool
    """The model takes four spectrograms, which are one where nothing is longer than its window."""
    padding: str
    """repeatpad, repeat or pad: how a shorter window is filled up."""

    @property
    def window_s(self) -> float:
        """Return the seconds that the model hears at once."""
        return self.num_samples / self.sample_rate_hz

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256, in hex, of all that decides the spectrograms a model sees."""
        return digest({**asdict(self), "audio_revision": AUDIO_REVISION})

    def fit(self, window: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
        """Return (num_samples,) float32 parts of a mono window, in order.

        A shorter window is filled up to one part; a longer one is divided evenly, so that none of
        it is lost; an empty one has no part.
        """
        samples = np.asarray(window, np.float32)
        if samples.ndim != 1:
            raise ValueError(f"a window has one channel; this one is of shape {samples.shape}")
        num_parts = -(-len(samples) // self.num_samples)
        return [self._fill(part) for part in np.array_split(samples, num_parts or 1) if len(part)]

    def _fill(self, part: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        times = self.num_samples // len(part)
        if self.padding == "repeat":
            return np.tile(part, times + 1)[: self.num_samples]
        repeated = np.tile(part, times) if self.padding == "repeatpad" else part
        return np.pad(repeated, (0, self.num_samples - len(repeated)))


def audio_preprocess(files: ModelFiles) -> AudioPreprocess:
    """Return how the model's sound is prepared.

    Raises:
        ModelUnsupported: It has no known feature extractor, or its numbers make no sense.
    """
    combined = read_object(files.directory, "processor_config.json").get("feature_extractor")
    given = combined or read_object(files.directory, "preprocessor_config.json")
    if given.get("feature_extractor_type") != _EXTRACTOR:
        raise ModelUnsupported(
            f"{files.name} has no preprocessor_config.json of a {_EXTRACTOR}: not an audio model"
        )
    config = {**_DEFAULTS, **{key: value for key, value in given.items() if value is not None}}
    try:
        settings = _settings(config)
        _check(settings)
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelUnsupported(f"the sound of {files.name} cannot be prepared: {error}") from error
    if settings.fused != _is_fused(files):
        raise ModelUnsupported(
            f"{files.name} contradicts itself: its feature extractor truncates by "
            f"{config['truncation']!r}, and its model {'' if settings.fused else 'only '}takes "
            f"{'no ' if settings.fused else ''}fused spectrograms"
        )
    return settings


def _settings(config: dict[str, Any]) -> AudioPreprocess:
    rate = int(config["sampling_rate"])
    return AudioPreprocess(
        sample_rate_hz=rate,
        num_samples=int(config["max_length_s"] * rate),
        fft_size=int(config["fft_window_size"]),
        hop=int(config["hop_length"]),
        num_mels=int(config["feature_size"]),
        min_hz=float(config["frequency_min"]),
        max_hz=float(config["frequency_max"]),
        fused=config["truncation"] == "fusion",
        padding=str(config["padding"]),
    )


def _check(settings: AudioPreprocess) -> None:
    if settings.padding not in _PADDINGS:
        raise ValueError(f"padding {settings.padding!r}; known are {', '.join(_PADDINGS)}")
    counts = (settings.sample_rate_hz, settings.hop, settings.num_mels)
    in_order = 0 <= settings.min_hz < settings.max_hz
    fits = 0 < settings.fft_size <= settings.num_samples <= _MAX_SAMPLES
    if min(counts) < 1 or not in_order or not fits:
        raise ValueError(f"numbers out of range in {asdict(settings)}")


def _is_fused(files: ModelFiles) -> bool:
    audio = read_object(files.directory, "config.json").get("audio_config")
    return bool(isinstance(audio, dict) and audio.get("enable_fusion"))
