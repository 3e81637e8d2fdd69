"""Keep an image tower of eight-bit integers in a model's folder, and run it by OpenVINO.

Owns the files ``image_tower.int8.xml`` and ``.bin``, which are part of what identifies the model
version, and ``image_tower.json`` with the vectors that they gave where they were written: a
processor that computes others is refused, because its vectors would be of another space.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crossmodal.encoders.backends.checked import probe_pictures
from crossmodal.encoders.backends.openvino_tower import OpenVinoTower, openvino
from crossmodal.errors import ModelUnavailable, ModelUnsupported
from crossmodal.models.folder import TOWER, TOWER_PROOF, ModelFiles

if TYPE_CHECKING:
    from crossmodal.encoders.image_text import TransformersEncoder

MIN_COSINE = 0.99
"""Of a picture's vector with what was written beside the tower. Measured with ViT-B/16 on photos:
with bfloat16 in place of float32 for what is not of integers it is 0.9978 and more."""


def with_tower(encoder: TransformersEncoder, files: ModelFiles) -> TransformersEncoder:
    """Return an encoder whose image tower is the one in the model's folder.

    Raises:
        ExtraMissing: OpenVINO is not installed.
        ModelUnavailable: the files are damaged.
        ModelUnsupported: it is not for this device, or gives other vectors on this processor.
    """
    if encoder.device != "cpu":
        raise ModelUnsupported(
            f"the image tower of {files.name} is of eight-bit integers and runs on processors "
            f"only, not on {encoder.device}: say --device cpu, or take the model it was made of"
        )
    library = openvino()
    try:
        wanted = np.array(json.loads((files.directory / TOWER_PROOF).read_text("utf-8"))["vectors"])
        model = library.Core().read_model(files.tower[0])
        other = encoder.run_by(OpenVinoTower(model, encoder.version.dtype))
        found = other.encode_images(probe_pictures(encoder)).vectors
        lowest = float((found * wanted).sum(axis=1).min())
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ModelUnavailable(
            f"the image tower in {files.directory} cannot be read ({error!r:.300}): write it anew "
            "with `crossmodal models tune --int8 --write`"
        ) from error
    if not lowest >= MIN_COSINE:
        raise ModelUnsupported(
            f"the image tower of {files.name} gives other vectors on this processor than where it "
            f"was written: cosine {lowest:.4f}, allowed is {MIN_COSINE} and more. Write it here, "
            "with `crossmodal models tune --int8 --write`"
        )
    return other


def write_tower(model: Any, encoder: TransformersEncoder, folder: Path) -> None:
    """Write a model of OpenVINO into a model's folder, with the vectors that it gives."""
    openvino().save_model(model, folder / TOWER[0], compress_to_fp16=False)
    written = encoder.run_by(OpenVinoTower(model, encoder.version.dtype))
    vectors = written.encode_images(probe_pictures(encoder)).vectors
    told = {"vectors": np.round(vectors.astype(float), 6).tolist()}
    (folder / TOWER_PROOF).write_text(json.dumps(told), "utf-8")
