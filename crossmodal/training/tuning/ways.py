"""Say which ways there are to run a model's image tower, and open one at a time.

Owns what each way is called, how it is taken afterwards and what stands against it; refuses to
measure. A way is a number format, what computes (torch or OpenVINO) and the side of the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossmodal.encoders.backends.checked import by_openvino
from crossmodal.encoders.backends.names import FORMATS, OPENVINO, TORCH
from crossmodal.encoders.backends.openvino_tower import OpenVinoTower
from crossmodal.encoders.forward import Forward
from crossmodal.encoders.image_text import TransformersEncoder
from crossmodal.errors import ModelUnsupported, ParametersError
from crossmodal.models import files as model_files
from crossmodal.models.folder import ModelFiles
from crossmodal.records import ModelVersion
from crossmodal.training.distil.shape import shape_of
from crossmodal.training.distil.student import student_from
from crossmodal.training.tuning.quantised import quantised
from crossmodal.training.tuning.sample import decoded_pixels

if TYPE_CHECKING:
    from crossmodal.training.distil.shape import Shape

_SMALLER = (6 / 7, 5 / 7)
"""Of the side: 192 and 160 of 224 pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Describe one way."""

    backend: str
    dtype: str
    side: int
    is_int8: bool = False
    """Whether the image tower is rounded to integers; ``dtype`` is what the rest computes in."""
    today: Way | None = None
    """What is done now; None of that itself."""

    @property
    def name(self) -> str:
        """Return what people call it."""
        return f"{self.backend} {'int8' if self.is_int8 else self.dtype}, {self.side} px"

    @property
    def is_other_version(self) -> bool:
        """Say whether its vectors are another model version's than today's."""
        now = self.today
        return now is not None and (self.is_written or self.dtype != now.dtype)

    @property
    def is_written(self) -> bool:
        """Say whether it needs a model folder of its own."""
        return self.today is not None and (self.is_int8 or self.side != self.today.side)

    def makes(self, side: int, *, int8: bool) -> bool:
        """Say whether this is how a folder for that side runs, in integers or not."""
        return self.is_written and (self.side, self.is_int8) == (side, int8)

    def use(self, model: str) -> str:
        """Return what takes it from now on, as options of commands."""
        if self.today is None:
            return "as today"
        options = [f"--model {'DEST' if self.is_written else model}"]
        options = options if self.is_other_version else []
        options += [f"--dtype {self.dtype}"] if self.dtype != self.today.dtype else []
        needs_backend = self.backend != self.today.backend and not self.is_int8
        options += [f"--backend {self.backend}"] if needs_backend else []
        then = ("backfill " if self.is_other_version else "index ") + " ".join(options)
        return f"{self._writing(self.today)}, {then}" if self.is_written else then

    def _writing(self, today: Way) -> str:
        size = f" --input-px {self.side}" if self.side != today.side else ""
        return f"tune --write DEST{' --int8' if self.is_int8 else ''}{size}"


class Workbench:
    """Open a model's image tower in several ways, one at a time."""

    def __init__(
        self, files: ModelFiles, version: ModelVersion, scratch: Path, calibration: Sequence[str]
    ) -> None:
        self.files, self.version = files, version
        self._scratch, self._calibration = scratch, calibration
        self._rounded: dict[int, Any] = {}
        self.exact = self._loaded("float32")
        self.shape = shape_of(self.exact.model.config, version.label)

    def sides(self, asked: Sequence[int]) -> list[int]:
        """Return the smaller sides to try, in pixels: those asked for, else two.

        Raises:
            ParametersError: one is no multiple of the patches, or not below today's.
        """
        patch, side = self.shape.patch, self.shape.side
        for each in asked:
            if each % patch or not 0 < each < side:
                raise ParametersError(
                    f"--input-px {each}: pictures of {self.version.label} have {side} px, cut into "
                    f"patches of {patch}; give a multiple of {patch} below {side}"
                )
        usual = {round(side * share / patch) * patch for share in _SMALLER}
        return sorted(asked or {each for each in usual if 0 < each < side}, reverse=True)

    def ways(self, sides: Sequence[int], *, all_int8: bool = False) -> list[Way]:
        """Return the ways to try, today's first; ``all_int8``: integers at smaller sides too."""
        dtype, side = self.version.dtype, self.shape.side
        today = Way(backend=TORCH, dtype=dtype, side=side)
        formats = [dtype, *(each for each in FORMATS if each != dtype)]
        whole = [
            Way(backend=backend, dtype=each, side=side, today=today)
            for each in formats
            for backend in (TORCH, OPENVINO)
            if each in FORMATS and (each, backend) != (dtype, TORCH)
        ]
        smaller = [
            Way(backend=backend, dtype=dtype, side=each, today=today)
            for each in sides
            for backend in (TORCH, OPENVINO)
            if backend == TORCH or dtype in FORMATS
        ]
        of_integers = [
            Way(backend=OPENVINO, dtype=dtype, side=each, is_int8=True, today=today)
            for each in (side, *(sides if all_int8 else ()))
            if dtype in FORMATS
        ]
        return [today, *whole, *smaller, *of_integers]

    def opened(self, way: Way) -> TransformersEncoder:
        """Return the encoder that goes that way, on the processor.

        Raises:
            ExtraMissing: it needs OpenVINO, which is not installed.
            ModelUnsupported: OpenVINO cannot run it, or gives other vectors.
        """
        if way.side == self.shape.side:
            encoder = self.exact if way.dtype == "float32" else self._loaded(way.dtype)
        else:
            encoder = self.smaller(way.side, way.dtype)
        if way.is_int8:
            return encoder.run_by(_tower(self.rounded(way.side), way.dtype))
        # Kept, it would push out of the cache what is used.
        return by_openvino(encoder, keep=False) if way.backend == OPENVINO else encoder

    def rounded(self, side: int) -> Any:
        """Return the image tower for pictures of a side, in integers, as a model of OpenVINO.

        Raises:
            ExtraMissing: OpenVINO or NNCF is not installed.
            ModelUnsupported: it cannot be rounded, or no picture to go by can be decoded.
        """
        if side not in self._rounded:
            exact = self.exact if side == self.shape.side else self.smaller(side, "float32")
            _, pixels = decoded_pixels(self._calibration, exact.preprocess)
            if not len(pixels):
                raise ModelUnsupported("no picture to calibrate by can be decoded")
            self._rounded[side] = quantised(exact, pixels)
        return self._rounded[side]

    def smaller(self, side: int, dtype: str) -> TransformersEncoder:
        """Return the model for pictures of another side, its positions interpolated."""
        import torch

        shape: Shape = replace(self.shape, side=side)
        folder = self.small(side)
        student = student_from(self.exact, self.files, shape, folder, seed=0)
        version = replace(student.version, dtype=dtype)
        own = ModelFiles(str(folder), version.revision, folder, ())
        model = student.model.to(getattr(torch, dtype))
        return TransformersEncoder(own, version, Forward(model, version, student.device))

    def small(self, side: int) -> Path:
        """Return where the small files of the model for pictures of another side are written."""
        return self._scratch / str(side)

    def _loaded(self, dtype: str) -> TransformersEncoder:
        version = model_files.describe(self.files, dtype, self.version.weights_hash)
        return TransformersEncoder.load(self.files, version, "cpu")


def _tower(model: Any, dtype: str) -> OpenVinoTower:
    """Return a tower of integers whose other numbers are of this format.

    Raises:
        ModelUnsupported: OpenVINO has no way to run it on this processor.
    """
    try:
        return OpenVinoTower(model, dtype)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[-200:]
        raise ModelUnsupported(
            f"OpenVINO cannot run integers beside {dtype} on this processor: {reason}"
        ) from error
