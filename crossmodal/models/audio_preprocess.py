"""Say how a model's sound is prepared: rate, window, spectrogram.

Owns the reading of the feature extractors' configurations and how a window is brought to a length
that the model takes, without chance: CLAP's extractor crops at random. Two equal fingerprints give
equal inputs to the model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from crossmodal.errors import ModelUnsupported
from crossmodal.models.folder import ModelFiles, digest, read_object
from crossmodal.models.kinds import ModelKind

AUDIO_REVISION = 1
"""Raised when the same settings would give other spectrograms; part of the fingerprint."""

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
# What models of sound of any length are given at once: EmbeddingGemma 2 hears no more, PE-Audio
# was trained with no more.
_WINDOW_S = 30
_GEMMA_NUMBERS = (
    "feature_size",
    "sampling_rate",
    "padding_value",
    "frame_length_ms",
    "hop_length_ms",
    "min_frequency",
    "max_frequency",
    "preemphasis",
    "preemphasis_htk_flavor",
    "fft_overdrive",
    "input_scale_factor",
    "mel_floor",
    "per_bin_mean",
    "per_bin_stddev",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundPreprocess:
    """Hold what every model that hears has: a rate, and how much it hears at once."""

    sample_rate_hz: int
    num_samples: int
    """Of the longest window that the model hears at once."""

    @property
    def window_s(self) -> float:
        """Return the seconds that the model hears at once."""
        return self.num_samples / self.sample_rate_hz

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256, in hex, of all that decides what a model hears."""
        return digest({**asdict(self), "audio_revision": AUDIO_REVISION})

    def fit(self, window: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
        """Return float32 parts of a mono window, in order, each as the model takes it.

        A longer window is divided evenly, so that none of it is lost; an empty one has no part.
        """
        samples = np.asarray(window, np.float32)
        if samples.ndim != 1:
            raise ValueError(f"a window has one channel; this one is of shape {samples.shape}")
        num_parts = -(-len(samples) // self.num_samples)
        return [self._fill(part) for part in np.array_split(samples, num_parts or 1) if len(part)]

    def _fill(self, part: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return a part as the model takes it."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveformPreprocess(SoundPreprocess):
    """Hold the effective settings of a model that hears windows of any length up to one."""

    multiple: int = 1
    """A window is filled up to a multiple of so many samples, by its own end backwards."""
    settings: tuple[tuple[str, Any], ...] = ()
    """Those of the feature extractor, by name."""

    def _fill(self, part: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.pad(part, (0, -len(part) % self.multiple), "reflect")


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioPreprocess(SoundPreprocess):
    """Hold the effective settings of CLAP: pad to one length, then a log-mel spectrogram."""

    fft_size: int
    hop: int
    num_mels: int
    min_hz: float
    max_hz: float
    fused: bool
    """The model takes four spectrograms, which are one where nothing is longer than its window."""
    padding: str
    """repeatpad, repeat or pad: how a shorter window is filled up."""

    def _fill(self, part: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        times = self.num_samples // len(part)
        if self.padding == "repeat":
            return np.tile(part, times + 1)[: self.num_samples]
        repeated = np.tile(part, times) if self.padding == "repeatpad" else part
        return np.pad(repeated, (0, self.num_samples - len(repeated)))


def audio_preprocess(files: ModelFiles, kind: ModelKind) -> SoundPreprocess:
    """Return how the model's sound is prepared.

    Raises:
        ModelUnsupported: It has no known feature extractor, or its numbers make no sense.
    """
    extractor, read = _EXTRACTORS[kind.encoders["audio"]]
    combined = read_object(files.directory, "processor_config.json").get("feature_extractor")
    given = combined or read_object(files.directory, "preprocessor_config.json")
    if given.get("feature_extractor_type") != extractor:
        raise ModelUnsupported(
            f"{files.name} has no preprocessor_config.json of a {extractor}: not an audio model"
        )
    try:
        settings = read({key: value for key, value in given.items() if value is not None})
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelUnsupported(f"the sound of {files.name} cannot be prepared: {error}") from error
    if isinstance(settings, AudioPreprocess):
        _check_fusion(files, settings)
    return settings


def _check_fusion(files: ModelFiles, settings: AudioPreprocess) -> None:
    if settings.fused != _is_fused(files):
        raise ModelUnsupported(
            f"{files.name} contradicts itself: its feature extractor makes "
            f"{'' if settings.fused else 'no '}fused spectrograms, and its model "
            f"{'' if settings.fused else 'only '}takes {'no ' if settings.fused else ''}fused ones"
        )


def _clap(given: dict[str, Any]) -> AudioPreprocess:
    config = _DEFAULTS | given
    rate = int(config["sampling_rate"])
    settings = AudioPreprocess(
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
    _check(settings)
    return settings


def _gemma(given: dict[str, Any]) -> WaveformPreprocess:
    if given.get("dither"):
        raise ValueError("dither would give the same sound another vector each time")
    rate = int(given.get("sampling_rate", 16_000))
    numbers = {name: given[name] for name in _GEMMA_NUMBERS if name in given}
    settings = tuple(sorted((name, _plain(value)) for name, value in numbers.items()))
    return WaveformPreprocess(
        sample_rate_hz=rate, num_samples=_checked(rate) * _WINDOW_S, settings=settings
    )


def _pe(given: dict[str, Any]) -> WaveformPreprocess:
    rate, hop = int(given.get("sampling_rate", 48_000)), int(given.get("hop_length", 1920))
    if hop < 1 or given.get("feature_size", 1) != 1:
        raise ValueError(f"hop_length {hop} and feature_size {given.get('feature_size', 1)}")
    longest = _checked(rate) * _WINDOW_S
    return WaveformPreprocess(
        sample_rate_hz=rate, num_samples=max(hop, longest - longest % hop), multiple=hop
    )


def _checked(rate: int) -> int:
    if not 0 < rate <= _MAX_SAMPLES // _WINDOW_S:
        raise ValueError(f"sampling_rate {rate}")
    return rate


def _plain(value: Any) -> Any:
    """Return a setting as what can be a part of a key: a number, or numbers."""
    return tuple(map(float, value)) if isinstance(value, list) else value


_EXTRACTORS: dict[str, tuple[str, Callable[[dict[str, Any]], SoundPreprocess]]] = {
    "audio": ("ClapFeatureExtractor", _clap),
    "waveform": ("PeAudioFeatureExtractor", _pe),
    "gemma": ("Gemma4AudioFeatureExtractor", _gemma),
}
"""By what serves sound: the extractor of transformers, and how its settings are read."""


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
