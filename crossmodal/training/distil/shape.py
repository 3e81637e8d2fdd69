"""Say how deep and wide an image tower is, and what of it a student may have less of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from crossmodal.errors import ModelUnsupported, ParametersError

_PER_HEAD = 64


class Size(NamedTuple):
    """Say which share of its teacher a student has."""

    layers: float
    patch: int
    """How many times as large its patches are."""
    side: float
    width: float


SIZES = {
    "light": Size(1, 1, 5 / 7, 1),
    "half": Size(1 / 2, 1, 5 / 7, 1),
    "small": Size(1 / 2, 2, 1, 1),
    "tiny": Size(1 / 3, 2, 1, 1 / 2),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Describe an image tower."""

    layers: int
    width: int
    patch: int
    """Side of a patch in pixels."""
    side: int
    """Side of the picture in pixels."""

    @property
    def tokens(self) -> int:
        """Return how many patches a picture has."""
        return (self.side // self.patch) ** 2

    @property
    def work(self) -> float:
        """Return the multiplications of a picture: linear layers and attention."""
        linear = 12 * self.width**2 * self.tokens
        return float(self.layers * (linear + 2 * self.width * self.tokens**2))

    def __str__(self) -> str:
        return (
            f"{self.layers} layers of {self.width}, patches of {self.patch} in pictures of "
            f"{self.side} px"
        )


def shape_of(config: Any, name: str) -> Shape:
    """Return the shape of a model's image tower, from its configuration.

    Raises:
        ModelUnsupported: it is no transformer of square patches.
    """
    tower = getattr(config, "vision_config", None)
    keys = ("num_hidden_layers", "hidden_size", "patch_size", "image_size")
    found = [getattr(tower, key, None) for key in keys]
    if not all(isinstance(value, int) and value > 0 for value in found):
        raise ModelUnsupported(
            f"the image tower of {name} cannot be distilled: a transformer of square patches is "
            "needed, such as that of a CLIP or a SigLIP"
        )
    layers, width, patch, side = found
    return Shape(layers=layers, width=width, patch=patch, side=side)  # type: ignore[arg-type]


def student_of(teacher: Shape, size: str, asked: dict[str, int]) -> Shape:
    """Return the shape of a student: that of ``size``, but for what is asked for by name.

    Raises:
        ParametersError: it would be larger than its teacher, or its patches fit no picture.
    """
    share = SIZES[size]
    patch = asked.get("patch") or teacher.patch * share.patch
    side = asked.get("side") or max(1, round(teacher.side * share.side / patch)) * patch
    layers = asked.get("layers") or max(1, round(teacher.layers * share.layers))
    width = asked.get("width") or _width(teacher.width, share.width)
    student = Shape(layers=layers, width=width, patch=patch, side=side)
    problem = _problem(student, teacher)
    if problem:
        raise ParametersError(f"a student of {student} {problem}: its teacher has {teacher}")
    return student


def with_shape(config: Any, shape: Shape) -> None:
    """Set the shape of a configuration's image tower."""
    tower = config.vision_config
    if shape.width != tower.hidden_size:
        tower.intermediate_size = round(tower.intermediate_size * shape.width / tower.hidden_size)
        tower.num_attention_heads = _heads(shape.width, tower)
        tower.hidden_size = shape.width
    tower.num_hidden_layers = shape.layers
    tower.patch_size, tower.image_size = shape.patch, shape.side


def _heads(width: int, tower: Any) -> int:
    """Return as many heads as keep the width of one."""
    each = int(tower.hidden_size // tower.num_attention_heads)
    return max(1, width // each)


def _width(teacher: int, share: float) -> int:
    if share == 1:
        return teacher
    step = _PER_HEAD if teacher > 2 * _PER_HEAD else 2
    return max(step, round(teacher * share / step) * step)


def _problem(student: Shape, teacher: Shape) -> str:
    if student.layers > teacher.layers or student.width > teacher.width:
        return "has more layers or more width than its teacher could give it"
    if student.side % student.patch:
        return "cannot be cut into its patches"
    if student.work >= teacher.work:
        return "would compute as much as its teacher"
    return ""
