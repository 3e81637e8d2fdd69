"""Round an image tower to eight-bit integers, by how its steps are filled by somebody's pictures.

Post-training quantisation by NNCF (Apache-2.0) with its settings for transformers: weights and
activations in 8 bits by the ranges that the pictures show, outliers smoothed (SmoothQuant: Xiao and
others, ICML 2023), biases corrected; what suffers most, such as softmax, stays in floats.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crossmodal.encoders.backends.openvino_tower import converted, openvino
from crossmodal.errors import ExtraMissing, ModelUnsupported

if TYPE_CHECKING:
    from crossmodal.encoders.image_text import TransformersEncoder


def quantised(encoder: TransformersEncoder, pixels: npt.NDArray[np.uint8]) -> Any:
    """Return the image tower as a model of OpenVINO in integers.

    Args:
        encoder: in float32.
        pixels: (n, height, width, 3) of the pictures that show the ranges; some forty are enough.

    Raises:
        ExtraMissing: OpenVINO or NNCF is not installed.
        ModelUnsupported: the tower cannot be rounded.
    """
    openvino()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import nncf
    except ImportError as error:
        raise ExtraMissing(
            "rounding to integers needs nncf: pip install 'crossmodal[tune]'"
        ) from error
    try:
        # It draws bars where answers of commands go.
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            nncf.disable_logging()
            return nncf.quantize(
                converted(encoder),
                nncf.Dataset([pixels[row : row + 1] for row in range(len(pixels))]),
                model_type=nncf.ModelType.TRANSFORMER,
                preset=nncf.QuantizationPreset.MIXED,
                subset_size=len(pixels),
            )
    except Exception as error:  # what its parts raise has no common type
        raise ModelUnsupported(
            f"the image tower of {encoder.version.label} cannot be rounded to integers: "
            f"{type(error).__name__}: {error}"[:400]
        ) from error
