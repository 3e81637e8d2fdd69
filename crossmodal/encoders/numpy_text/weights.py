"""Read single tensors of safetensors files, which need neither torch nor the others' bytes.

The format: eight bytes of length, a JSON of names with dtype, shape and offsets, then the data.
https://huggingface.co/docs/safetensors
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

_MAX_HEADER_BYTES = 100_000_000
_DTYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
}


class Weights:
    """Hold where the tensors of a model lie, and read them as what it computes in.

    Args:
        files: safetensors files.
        dtype: float32, float16 or bfloat16; values are rounded to it, as loading a model does.

    Raises:
        OSError, ValueError: a file is no such file.
    """

    def __init__(self, files: Sequence[Path], dtype: str) -> None:
        self._dtype = dtype
        self._places: dict[str, tuple[Path, int, dict[str, Any]]] = {}
        for path in files:
            with path.open("rb") as file:
                num_bytes = int.from_bytes(file.read(8), "little")
                if num_bytes > _MAX_HEADER_BYTES:
                    raise ValueError(f"{path} has a header of {num_bytes:,} bytes")
                header = json.loads(file.read(num_bytes))
            header.pop("__metadata__", None)
            self._places |= {name: (path, 8 + num_bytes, told) for name, told in header.items()}

    def prefix_of(self, ending: str) -> str:
        """Return what stands before the one name that ends so.

        Raises:
            KeyError: no name does, or several do.
        """
        found = [name for name in self._places if name.endswith(ending)]
        if len(found) != 1:
            raise KeyError(ending)
        return found[0].removesuffix(ending)

    def rows(self, name: str, rows: npt.NDArray[np.int64]) -> Floats:
        """Return some rows of a table; the others are not read."""
        return self._float32(self._mapped(name)[rows])

    def get(self, name: str) -> Floats:
        """Return a tensor as float32; KeyError where there is none of that name."""
        return self._float32(np.asarray(self._mapped(name)))

    def _mapped(self, name: str) -> npt.NDArray[Any]:
        path, start, told = self._places[name]
        shape = tuple(told["shape"])
        first = start + int(told["data_offsets"][0])
        dtype: np.dtype[Any] = _DTYPES[told["dtype"]]
        mapped: npt.NDArray[Any] = np.memmap(path, dtype, "r", first, shape)
        return mapped

    def _float32(self, stored: npt.NDArray[Any]) -> Floats:
        if stored.dtype == np.dtype("<u2"):
            return from_bfloat16(stored)
        if self._dtype == "float16":
            return stored.astype(np.float16).astype(np.float32)
        values: Floats = stored.astype(np.float32)
        return from_bfloat16(to_bfloat16(values)) if self._dtype == "bfloat16" else values


def from_bfloat16(bits: npt.NDArray[np.uint16]) -> Floats:
    """Return the values of which these are the upper halves."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def to_bfloat16(values: Floats) -> npt.NDArray[np.uint16]:
    """Return the upper halves of values, rounded to the nearest, ties to even."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    rounded = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return (rounded >> np.uint32(16)).astype(np.uint16)
