"""Compute log-mel spectrograms on the model's device, as CLAP was trained on them.

Equal to the feature extractor of transformers, which takes the frames one by one on the processor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossmodal.encoders.tokens import quiet_transformers
from crossmodal.models.audio_preprocess import AudioPreprocess

if TYPE_CHECKING:
    import torch

_FLOOR = 1e-10


class LogMel:
    """Hold the filters of one model on its device."""

    def __init__(self, settings: AudioPreprocess, device: str) -> None:
        import torch

        with quiet_transformers():
            from transformers.audio_utils import mel_filter_bank

            # Models without fusion were trained with librosa's filters, the others with
            # torchaudio's.
            filters_FM = mel_filter_bank(
                num_frequency_bins=settings.fft_size // 2 + 1,
                num_mel_filters=settings.num_mels,
                min_frequency=settings.min_hz,
                max_frequency=settings.max_hz,
                sampling_rate=settings.sample_rate_hz,
                norm=None if settings.fused else "slaney",
                mel_scale="htk" if settings.fused else "slaney",
            )
        self._settings = settings
        self._filters_FM = torch.from_numpy(filters_FM).float().to(device)
        self._hann = torch.hann_window(settings.fft_size, periodic=True, device=device)

    def __call__(self, samples_NS: torch.Tensor) -> torch.Tensor:
        """Return (n, frames, mels) float32 decibels of (n, samples) float32."""
        import torch

        spectrum_NFT = torch.stft(
            samples_NS,
            self._settings.fft_size,
            hop_length=self._settings.hop,
            window=self._hann,
            center=True,
            pad_mode="reflect",
            return_complex=True,
        )
        power_NTF = spectrum_NFT.abs().square().transpose(1, 2)
        mel_NTM: torch.Tensor = power_NTF @ self._filters_FM
        return 10 * mel_NTM.clamp(min=_FLOOR).log10()
