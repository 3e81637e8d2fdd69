"""Name what may run an image tower, and say what is installed; imports nothing heavy."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version

from crossmodal.models.kinds import IMAGE_TEXT
from crossmodal.records import ModelVersion

AUTO = "auto"
TORCH = "torch"
OPENVINO = "openvino"
FORMATS = {"float32": "f32", "bfloat16": "bf16"}
"""Number formats of a model version that OpenVINO computes in, by what it calls them."""


@cache
def openvino_version() -> str:
    """Return the version of OpenVINO that is installed; empty where none is."""
    try:
        return version("openvino")
    except PackageNotFoundError:
        return ""


def label(backend: str) -> str:
    """Return a backend as the memory of batch sizes calls it; empty for torch."""
    return f"{OPENVINO} {openvino_version()}" if backend == OPENVINO else ""


def why_not(version: ModelVersion) -> str:
    """Return why OpenVINO cannot run the image tower of a version; empty where it can."""
    if version.derived:
        return f"{version.label} is derived: its vectors are computed from others"
    if dict(version.encoders) != IMAGE_TEXT:
        return f"{version.label} is no model whose pictures all have one shape, such as a CLIP"
    if version.dtype not in FORMATS:
        return f"{version.label} computes in {version.dtype}; known are {', '.join(FORMATS)}"
    return ""
