"""Make a sound that every browser plays."""

from __future__ import annotations

import io
import wave

import numpy as np

RATE_HZ = 16_000


def tone(length_s: float, hertz: float = 440.0) -> bytes:
    """Return a WAV that swells and fades."""
    times = np.arange(int(length_s * RATE_HZ)) / RATE_HZ
    swell = np.sin(np.pi * times / length_s)
    samples = (np.sin(2 * np.pi * hertz * times) * swell * 20_000).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE_HZ)
        sound.writeframes(samples.tobytes())
    return file.getvalue()
