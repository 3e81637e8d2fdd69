"""Write a faster model as a folder: for smaller pictures, with an image tower of integers, or both.

It is an ordinary folder of transformers with a model card, and appears whole. One with a tower of
integers also holds that; the weights of the tower that it was made of stay beside it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from crossmodal.encoders.backends.int8_tower import write_tower
from crossmodal.encoders.cache import load_encoder
from crossmodal.encoders.image_text import TransformersEncoder
from crossmodal.errors import PathError
from crossmodal.models import files as model_files
from crossmodal.models.options import ModelSpec
from crossmodal.training.directory import (
    Made,
    copy_small,
    model_card,
    packed,
    proven,
    save_weights,
    write_folder,
)
from crossmodal.training.epochs import digest_of
from crossmodal.training.tuning.ways import Workbench
from crossmodal.vectors.affine import Floats

_NUM_PROOFS = 4


def refuse_taken(folder: Path) -> None:
    """Refuse a folder that holds anything, before minutes are spent on it.

    Raises:
        PathError: it does, or it is a file.
    """
    place = folder.expanduser()
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise PathError(f"{folder} holds something else, which stays: give --write another folder")


def write(bench: Workbench, side: int, folder: Path, *, int8: bool) -> str:
    """Write the model for pictures of a side, load it again, and return its folder.

    Raises:
        PathError: it cannot be written, or holds something else.
        TrainingFailed, ModelError: it does not load, or gives other vectors.
        ExtraMissing: integers need a library that is not installed.
    """
    folder = folder.expanduser().absolute()
    is_smaller = side != bench.shape.side
    encoder = bench.smaller(side, "float32") if is_smaller else bench.exact
    small = bench.small(side) if is_smaller else bench.files.directory
    weights = {name: packed(values) for name, values in encoder.model.state_dict().items()}
    digest = digest_of(weights) + (f"-int8-{side}" if int8 else "")
    kind = f"int8-{side}-px" if int8 else f"input-{side}-px"
    made = Made(folder.name, bench.version, kind, "none", digest)
    tower = bench.rounded(side) if int8 else None

    def fill(partial: Path) -> None:
        copy_small(small, partial)
        save_weights(weights, partial)
        if tower is not None:
            write_tower(tower, encoder, partial)

    write_folder(folder, model_card(made, [], _words(bench, side, digest, int8=int8)), digest, fill)
    if int8:
        files = model_files.resolve(ModelSpec(str(folder)))
        version = model_files.describe(files, bench.version.dtype, model_files.weights_hash(files))
        load_encoder(files, version, "cpu")
        return str(folder)
    proofs = encoder.preprocess.noise(_NUM_PROOFS)
    found = proven(folder, bench.version.dtype, lambda other: _proof(other, proofs))
    found.gives(_proof(encoder, proofs))
    return str(folder)


def _proof(encoder: TransformersEncoder, pixels: np.ndarray) -> Floats:
    return np.concatenate([encoder.encode_images(pixels).vectors, encoder.encode_queries(["a"])])


def _words(bench: Workbench, side: int, digest: str, *, int8: bool) -> list[str]:
    changes = []
    if side != bench.shape.side:
        changes.append(
            f"it is for pictures of {side} x {side} pixels in place of {bench.shape.side}: "
            "positions are interpolated (bicubic)"
        )
    if int8:
        changes.append(
            "OpenVINO runs its image tower in eight-bit integers (`image_tower.int8.xml`; NNCF, "
            "calibrated on some forty pictures), on processors only; `pip install "
            "'crossmodal[openvino]'`"
        )
    return [
        f"`{bench.version.label}`, written by crossmodal models tune: {'; '.join(changes)}. All "
        "other weights are as they were, and nothing was learned.",
        "",
        "Its vectors are near those of the original and not the same: evaluate both on a set of "
        "your own before it goes live.",
        "",
        f"Digest of the weights {digest}.",
    ]
