"""Let OpenVINO run an image tower only where it gives the vectors that torch gives.

Compared whenever it is opened, so that a cache, another processor or another version of OpenVINO
never changes what a model version means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from crossmodal.encoders.backends.names import why_not
from crossmodal.encoders.backends.openvino_tower import opened
from crossmodal.errors import ExtraMissing, ModelUnsupported

if TYPE_CHECKING:
    from crossmodal.encoders.image_text import TransformersEncoder

MIN_COSINE = {"float32": 0.99999, "bfloat16": 0.998}
"""Of a picture's vector with torch's, by number format.

Measured with ViT-B/16: float32 0.9999999; bfloat16 0.9997 and more on photos, 0.9988 and more on
what is compared here. Torch's own bfloat16 moves vectors of photos from float32's to 0.9967."""
_NUM_NOISE, _NUM_SMOOTH = 1, 3
_COARSE = 4


def by_openvino(encoder: TransformersEncoder, *, keep: bool = True) -> TransformersEncoder:
    """Return an encoder on the processor whose image tower OpenVINO runs; all else is shared.

    ``keep``: take the converted tower from the cache, and put it there.

    Raises:
        ExtraMissing: OpenVINO is not installed.
        ModelUnsupported: it cannot run the tower, or gives other vectors.
    """
    if encoder.has_own_threads:  # its tower is OpenVINO's already
        return encoder
    version = encoder.version
    if reason := why_not(version) or ("" if encoder.device == "cpu" else f"on {encoder.device}"):
        raise ModelUnsupported(_refusal(reason))
    try:
        other = encoder.run_by(opened(encoder, keep=keep))
        pictures = probe_pictures(encoder)
        found = other.encode_images(pictures)
    except ExtraMissing:
        raise
    except Exception as error:  # what its front ends raise has no common type
        raise ModelUnsupported(_refusal(f"{type(error).__name__}: {error}"[:300])) from error
    wanted = encoder.encode_images(pictures)
    lowest = float((found.vectors * wanted.vectors).sum(axis=1).min())
    if found.failed or lowest < MIN_COSINE[version.dtype]:
        raise ModelUnsupported(
            _refusal(
                f"its vectors of {version.label} differ from torch's: cosine {lowest:.6f}, "
                f"allowed is {MIN_COSINE[version.dtype]} and more"
            )
        )
    return other


def _refusal(reason: str) -> str:
    return f"the backend openvino is not taken: {reason}; leave --backend out, and torch runs it"


def probe_pictures(encoder: TransformersEncoder) -> npt.NDArray[np.uint8]:
    """Return pictures of noise, and smooth ones, which are to a model unlike each other."""
    height, width = encoder.image_size
    noise = encoder.preprocess.noise(_NUM_NOISE)
    rng = np.random.default_rng(_NUM_SMOOTH)
    corners = rng.uniform(0, 255, (_NUM_SMOOTH, _COARSE, _COARSE, 3))
    rows, columns = np.linspace(0, _COARSE - 1, height), np.linspace(0, _COARSE - 1, width)
    smooth = _between(_between(corners, rows, 1), columns, 2)
    return np.concatenate([noise, smooth.astype(np.uint8)])


def _between(
    values: npt.NDArray[np.float64], places: npt.NDArray[np.float64], axis: int
) -> npt.NDArray[np.float64]:
    """Return values at places between whole ones, along an axis."""
    below = np.minimum(places.astype(int), values.shape[axis] - 2)
    share = np.expand_dims(places - below, [a for a in range(values.ndim) if a != axis])
    lower, upper = np.take(values, below, axis), np.take(values, below + 1, axis)
    mixed: npt.NDArray[np.float64] = lower + (upper - lower) * share
    return mixed
