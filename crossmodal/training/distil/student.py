"""Make a student of a teacher's weights: some of its layers, its patches and positions resized.

The text tower and the projections are the teacher's, so that texts lie where they lay. Layers are
taken evenly, the first and the last among them. Patches are resized so that a resized picture gives
what the picture gave (FlexiViT: Beyer and others, CVPR 2023, sec. 3.4), positions by cubic
interpolation. What has another width than the teacher's begins at random.
"""

from __future__ import annotations

import copy
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crossmodal.encoders.forward import Forward
from crossmodal.encoders.image_text import TransformersEncoder
from crossmodal.errors import ModelUnsupported
from crossmodal.models import files as model_files
from crossmodal.models.files import LOCAL_REVISION
from crossmodal.models.folder import ModelFiles, read_object
from crossmodal.models.image_preprocess import ImagePreprocess
from crossmodal.training.directory import copy_small
from crossmodal.training.distil.shape import Shape, with_shape

if TYPE_CHECKING:
    import torch

_LAYER = re.compile(r"^(vision_model\..*layers?\.)(\d+)(\..*)$")
_PATCHES = "patch_embedding.weight"
_POSITIONS = "position_embedding.weight"
_PREPROCESSING = ("preprocessor_config.json", "processor_config.json")
TEXT_SIDE = ("text_model.", "text_projection", "logit_scale", "logit_bias")


def student_from(
    teacher: TransformersEncoder, files: ModelFiles, shape: Shape, folder: Path, seed: int
) -> TransformersEncoder:
    """Return a student that has learned nothing yet, its small files written into ``folder``.

    Raises:
        ModelUnsupported: the teacher's tower is of a kind that has no such parts.
    """
    model = _model(teacher.model, shape, seed)
    _write_small(model, files, shape, folder)
    own = ModelFiles(files.name, LOCAL_REVISION, folder, ())
    version = replace(model_files.describe(own, "float32", ""), name=files.name)
    device = teacher.device
    return TransformersEncoder(own, version, Forward(model.eval().to(device), version, device))


def _model(teacher: Any, shape: Shape, seed: int) -> Any:
    import torch

    config = copy.deepcopy(teacher.config)
    with_shape(config, shape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = type(teacher)(config)
    model.float()
    given = {name: values.detach().cpu().float() for name, values in teacher.state_dict().items()}
    own = model.state_dict()
    layers = _layers(teacher.config.vision_config.num_hidden_layers, shape.layers)
    found = {name: _taken(name, values, given, layers) for name, values in own.items()}
    if not any(_LAYER.match(name) for name in own):
        raise ModelUnsupported(
            f"{type(teacher).__name__} names the layers of its image tower otherwise than CLIP and "
            "SigLIP do: it cannot be distilled"
        )
    model.load_state_dict({name: own[name] if v is None else v for name, v in found.items()})
    return model


def _layers(of_teacher: int, of_student: int) -> list[int]:
    return [int(place) for place in np.linspace(0, of_teacher - 1, of_student).round()]


def _taken(
    name: str, own: torch.Tensor, given: dict[str, torch.Tensor], layers: list[int]
) -> torch.Tensor | None:
    """Return what the teacher gives for a weight of the student; None where nothing fits."""
    if match := _LAYER.match(name):
        name = f"{match[1]}{layers[int(match[2])]}{match[3]}"
    values = given[name]
    if name.endswith(_PATCHES) and values.shape[0] == own.shape[0]:
        return _resized_patches(values, own.shape[-1])
    if name.endswith(_POSITIONS) and values.shape[1:] == own.shape[1:]:
        return _resized_positions(values, len(own))
    return values if values.shape == own.shape else None


def _resized_patches(kernel: torch.Tensor, side: int) -> torch.Tensor:
    """Return a (n, channels, side, side) kernel for patches that were resized to ``side``."""
    import torch

    old = kernel.shape[-1]
    if old == side:
        return kernel
    one_by_one = torch.eye(old * old).view(-1, 1, old, old)
    resize = torch.nn.functional.interpolate(one_by_one, size=(side, side), mode="bilinear")
    back = torch.linalg.pinv(resize.view(old * old, side * side).T)
    flat = kernel.reshape(-1, old * old) @ back
    resized: torch.Tensor = flat.reshape(*kernel.shape[:2], side, side)
    return resized


def _resized_positions(table: torch.Tensor, num: int) -> torch.Tensor:
    """Return the positions of a grid of another size; one for the whole picture stays."""
    import torch

    if len(table) == num:
        return table
    old, new = int(len(table) ** 0.5), int(num**0.5)
    first = len(table) - old * old
    grid = table[first:].T.reshape(1, -1, old, old)
    resized = torch.nn.functional.interpolate(
        grid, size=(new, new), mode="bicubic", align_corners=False, antialias=new < old
    )
    return torch.cat([table[:first], resized.flatten(2)[0].T])


def _write_small(model: Any, files: ModelFiles, shape: Shape, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    copy_small(files.directory, folder)
    config = model.config
    config.dtype = "float32"
    config.architectures = [type(model).__name__]
    config.save_pretrained(folder)
    before = model_files.preprocessing(files).image
    assert before is not None, f"{files.name} sees no pictures"
    for name in _PREPROCESSING:
        whole = read_object(folder, name)
        if settings := whole.get("image_processor", whole):
            settings |= _resized_steps(before, shape.side)
            (folder / name).write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")


def _resized_steps(before: ImagePreprocess, side: int) -> dict[str, Any]:
    """Return the steps that give pictures of this side, the margin around the crop as it was."""
    scale = side / before.height
    crop = {"crop_size": {"height": side, "width": side}, "do_center_crop": True}
    if before.stretch is None:
        edge = before.shortest_edge or before.height
        return {"size": {"shortest_edge": max(side, round(edge * scale))}, **crop}
    height, width = (max(side, round(each * scale)) for each in before.stretch)
    steps: dict[str, Any] = {"size": {"height": height, "width": width}}
    return steps if before.stretch == (before.height, before.width) else steps | crop
