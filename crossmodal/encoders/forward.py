"""Load a model of transformers and run it, halving what does not fit.

Owns the loaded model, its device, its number format and how many passes run side by side; refuses
to know what its inputs mean. An accelerator takes one pass at a time. On the processor every core
may run a pass of its own: threads that share one pass wait for each other at each layer, the
longer the more else the machine has to do. Every vector that leaves is finite, float32 and of
length 1; an item that the model cannot embed comes back as a failure beside the others and never
takes its batch along.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from crossmodal.encoders.encoder import Encoded, Failure
from crossmodal.encoders.int8_weights import are_int8, read_weights
from crossmodal.encoders.tokens import quiet_transformers
from crossmodal.errors import ModelMismatch, ModelUnavailable, ModelUnsupported
from crossmodal.models.folder import ModelFiles, read_object
from crossmodal.records import ModelVersion

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")
_NOT_FINITE = Failure("not_finite", "the model gave no finite vector of length 1")

# Types whose models are an encoder and a decoder, of which texts need the first half.
_ENCODER_HALF = {"t5"}
_THREAD = threading.local()

Features = Callable[[Any], Any]
"""Takes a slice of the items; returns (n, dim) features, or an output that holds them pooled."""


class BatchTooLarge(Exception):
    """A batch does not fit in memory, and the caller forbade halving it."""


class Forward:
    """Hold one loaded model."""

    def __init__(self, model: Any, version: ModelVersion, device: str) -> None:
        self.model = model
        self.version = version
        self.device = device
        self._turns = threading.Semaphore(num_passes(device))
        self._whole_turn = threading.Lock()

    def encode(self, features: Features, items: Any) -> Encoded:
        """Embed items, anything that has a length and slices, with the given features."""
        encoded = Encoded(np.zeros((len(items), self.version.dim), np.float32))
        self._encode_range(features, items, slice(0, len(items)), encoded)
        for row in np.flatnonzero(~_is_unit(encoded.vectors)):
            encoded.vectors[row] = 0
            encoded.failed.setdefault(int(row), _NOT_FINITE)
        return encoded

    def _encode_range(self, features: Features, items: Any, rows: slice, encoded: Encoded) -> None:
        """Embed some rows in place; recursion ends at the single item that does not fit."""
        if rows.start == rows.stop:
            return
        try:
            encoded.vectors[rows] = self._run(features, items[rows])
            return
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            message = (str(error).splitlines() or [type(error).__name__])[0][:300]
        if getattr(_THREAD, "in_whole_batches", False):
            self._release_memory()
            raise BatchTooLarge(message)
        if rows.stop - rows.start == 1:
            encoded.failed[rows.start] = Failure("out_of_memory", message)
            return
        self._release_memory()
        middle = (rows.start + rows.stop) // 2
        self._encode_range(features, items, slice(rows.start, middle), encoded)
        self._encode_range(features, items, slice(middle, rows.stop), encoded)

    def _run(self, features: Features, items: Any) -> npt.NDArray[np.float32]:
        """Return the normalised features of a batch."""
        import torch

        # Passes that take all cores, such as those of queries, would only hinder each other.
        takes_all = self.device == "cpu" and not _shares_cores()
        with self._whole_turn if takes_all else self._turns, torch.inference_mode():
            if self.device == "cpu":
                torch.set_num_threads(_num_cores() if takes_all else 1)
            output = features(items)
            pooled_ND: Any = getattr(output, "pooler_output", output)
            vectors_ND = pooled_ND.float()
            unit_ND = torch.nn.functional.normalize(vectors_ND, dim=-1)
            array: npt.NDArray[np.float32] = unit_ND.cpu().numpy()
        if array.shape[1] != self.version.dim:
            raise ModelMismatch(
                f"{self.version.label} gives vectors of {array.shape[1]} dimensions, "
                f"not of the {self.version.dim} that its configuration promises"
            )
        return array

    def _release_memory(self) -> None:
        import torch

        if self.device == "cuda":
            torch.cuda.empty_cache()


@contextmanager
def on_one_core() -> Iterator[None]:
    """Restrict this thread's forward passes to one core, so that others run beside it."""
    before = _shares_cores()
    _THREAD.shares_cores = True
    try:
        yield
    finally:
        _THREAD.shares_cores = before


@contextmanager
def in_whole_batches() -> Iterator[None]:
    """Raise BatchTooLarge in this thread instead of halving a batch that does not fit."""
    _THREAD.in_whole_batches = True
    try:
        yield
    finally:
        _THREAD.in_whole_batches = False


def num_passes(device: str) -> int:
    """Return how many forward passes a device (not auto) runs side by side."""
    return _num_cores() if device == "cpu" else 1


def _shares_cores() -> bool:
    return getattr(_THREAD, "shares_cores", False)


@cache
def _num_cores() -> int:
    """Return what torch found at its start; later each thread has a number of its own."""
    import torch

    return torch.get_num_threads()


def load_model(
    files: ModelFiles,
    version: ModelVersion,
    device: str,
    *,
    methods: Sequence[str] = (),
    unused: str = "\0",
) -> Forward:
    """Load the weights onto a device: auto, cuda, mps or cpu.

    ``methods`` are what the model has to offer; weights whose name begins with ``unused`` may lack.

    Raises:
        ModelUnsupported: The model lacks a method.
        ModelUnavailable: The files are damaged, or the device is missing.
    """
    import torch

    place = choose_device(device)
    with quiet_transformers() as transformers:
        try:
            model, lacking = _read(transformers, files, getattr(torch, version.dtype))
        except Exception as error:  # safetensors and pickle raise types of their own
            raise ModelUnavailable(f"{files.directory} cannot be loaded: {error}") from error
    missing = sorted(key for key in lacking if not key.startswith(unused))
    if missing:  # transformers would go on with random numbers in their place
        raise ModelUnavailable(
            f"the weights in {files.directory} lack {len(missing)} tensors of "
            f"{type(model).__name__}, such as {missing[0]}"
        )
    for method in methods:
        if not hasattr(model, method):
            raise ModelUnsupported(f"{type(model).__name__} has no {method}")
    return Forward(model.eval().to(place), version, place)


def _read(transformers: Any, files: ModelFiles, dtype: Any) -> tuple[Any, list[str]]:
    """Return the model of a folder, and the names of the weights that its files lack."""
    only_here = {"local_files_only": True, "trust_remote_code": False}
    is_half = read_object(files.directory, "config.json").get("model_type") in _ENCODER_HALF
    auto = transformers.AutoModelForTextEncoding if is_half else transformers.AutoModel
    if not are_int8(files.weights):
        model, report = auto.from_pretrained(
            files.directory, dtype=dtype, output_loading_info=True, **only_here
        )
        return model, list(report["missing_keys"])
    import torch

    config = transformers.AutoConfig.from_pretrained(files.directory, **only_here)
    with torch.random.fork_rng(devices=[]):  # its first numbers are drawn, and put over
        model = auto.from_config(config, dtype=dtype, trust_remote_code=False)
    found = model.load_state_dict(read_weights(files.weights), strict=False)
    return model, list(found.missing_keys)


def choose_device(device: str) -> str:
    """Return the device that auto, cuda, mps or cpu stands for here.

    Raises:
        ModelUnavailable: It is missing.
    """
    import torch

    has_cuda, has_mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if device == "auto":
        return "cuda" if has_cuda else "mps" if has_mps else "cpu"
    if (device == "cuda" and not has_cuda) or (device == "mps" and not has_mps):
        raise ModelUnavailable(f"there is no device {device} here: use auto or cpu")
    return device


def _is_unit(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Say for each row whether it is finite and of length 1."""
    close: npt.NDArray[np.bool_] = np.abs(np.linalg.norm(vectors, axis=1) - 1) < 1e-3
    return close


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an error of torch, or of Python, is that memory ran out."""
    return isinstance(error, MemoryError) or any(
        words in str(error).lower() for words in _OUT_OF_MEMORY
    )
