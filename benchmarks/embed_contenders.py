"""Embed pictures in several ways, each in a process of its own that waits for its turn.

Every contender takes paths and gives (n, dim) float32 vectors of length 1, so that its speed can
be divided by another's and its vectors compared with the reference's.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.embed_parts import (
    Vectors,
    decoded_ahead,
    features,
    parts,
    pixels_of,
    text_vectors,
)

_TUTORIAL_BATCH = 16
_LOOP_BATCH = 32
_MEDIA_TYPES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png"}


@dataclass(frozen=True, slots=True)
class Timed:
    """Hold what one piece of work took."""

    num_items: int
    wall_s: float
    cpu_s: float
    peak_rss_bytes: int
    """Of the process so far."""
    result: Any


class Tutorial:
    """Do as tutorials do: a Daft class UDF, batches of 16, full decode, processor, float32."""

    def __init__(self, model: Path) -> None:
        import daft

        self.processor, self.tokenizer, self.model = parts(model, "float32")
        self.daft, tutorial = daft, self

        @daft.cls
        class Embed:
            @daft.method.batch(
                return_dtype=daft.DataType.embedding(daft.DataType.float32(), 512),
                batch_size=_TUTORIAL_BATCH,
            )
            def images(self, paths: daft.Series) -> Any:
                return list(_whole(tutorial.processor, tutorial.model, paths.to_pylist()))

        self.embed = Embed()

    def images(self, paths: Sequence[str]) -> Vectors:
        """Embed pictures."""
        frame = self.daft.from_pydict({"path": list(paths)})
        frame = frame.with_column("vector", self.embed.images(frame["path"]))
        return np.stack(frame.to_pydict()["vector"])

    def texts(self, texts: Sequence[str]) -> Vectors:
        """Embed texts."""
        return text_vectors(self.tokenizer, self.model, texts)


class Loop:
    """Decode whole pictures in threads, run batches of 32 in bfloat16: a careful hand's loop."""

    def __init__(self, model: Path) -> None:
        self.processor, self.tokenizer, self.model = parts(model, "bfloat16")

    def images(self, paths: Sequence[str]) -> Vectors:
        """Embed pictures, decoding one batch ahead of the model."""
        batches = decoded_ahead(self.processor, paths, _LOOP_BATCH)
        return np.concatenate([features(self.model, pixels) for pixels in batches])

    def texts(self, texts: Sequence[str]) -> Vectors:
        """Embed texts."""
        return text_vectors(self.tokenizer, self.model, texts)


class Pipeline:
    """Embed as the flow does: the shard's Daft query with the encoders of a line-up."""

    def __init__(self, model: Path, device: str = "cpu") -> None:
        from crossmodal.embedding.options import EmbedOptions
        from crossmodal.encoders.lineup_encoders import Encoders
        from crossmodal.models import files as model_files
        from crossmodal.models.options import ModelSpec
        from crossmodal.records import Lineup

        files = model_files.resolve(ModelSpec(str(model)))
        dtype = model_files.choose_dtype("auto", device)
        version = model_files.describe(files, dtype, model_files.weights_hash(files))
        self.encoders, self.options = Encoders(Lineup.of(version), device), EmbedOptions()
        self.encoders.load(["image"])

    def images(self, paths: Sequence[str]) -> Vectors:
        """Embed pictures as one shard."""
        from crossmodal.embedding.shard_query import embed_shard
        from crossmodal.runs.progress import NullProgress

        embedded = embed_shard(planned(paths), self.encoders, self.options, _drop, NullProgress())
        (table,) = (t for listed, t in embedded.vectors.items() if listed.modality == "image")
        flat = table["vector"].combine_chunks().flatten().to_numpy()
        return flat.reshape(table.num_rows, -1)

    def texts(self, texts: Sequence[str]) -> Vectors:
        """Embed texts."""
        return self.encoders.of("text").encode_texts(texts)


class OpenVinoPipeline(Pipeline):
    """Embed as the flow does where it takes OpenVINO for the image tower."""

    def __init__(self, model: Path) -> None:
        from crossmodal.encoders.backends.names import OPENVINO

        super().__init__(model)
        self.encoders = replace(self.encoders, backends={"image": OPENVINO})
        self.encoders.load(["image"])


class Int8Pipeline(Pipeline):
    """Embed as the flow does with a model that `crossmodal models tune --int8 --write` wrote.

    It lies beside the model, under its name with ``-int8``.
    """

    def __init__(self, model: Path) -> None:
        super().__init__(model.with_name(f"{model.name}-int8"))


class Limits(Pipeline):
    """Run the parts of the pipeline alone, on all cores."""

    def model(self, batch: int, num_images: int, one_core_each: bool) -> None:
        """Run the model on random pixels."""
        from crossmodal.encoders.forward import num_passes, on_one_core

        encoder = self.encoders.of("image")
        shape = (batch, *encoder.image_size, 3)
        pixels = np.random.default_rng(7).integers(0, 256, shape, np.uint8)

        def run(_: int) -> None:
            if not one_core_each:
                encoder.encode_images(pixels)
                return
            with on_one_core():
                encoder.encode_images(pixels)

        with ThreadPoolExecutor(num_passes("cpu") if one_core_each else 1) as pool:
            list(pool.map(run, range(num_images // batch)))

    def decode(self, paths: Sequence[str]) -> None:
        """Read, check and decode files down to the model's pixels."""
        from crossmodal.embedding.operators import ShardOperators
        from crossmodal.embedding.rows import Refusal, planned_sources
        from crossmodal.encoders.forward import num_passes

        operators = ShardOperators(self.encoders, self.options, _drop, None)
        sources = planned_sources(planned(paths))
        with ThreadPoolExecutor(num_passes("cpu")) as pool:
            done = list(pool.map(lambda one: operators.decode(operators.read([one])), sources))
        assert not any(isinstance(item, Refusal) for [[item]] in done)

    def read(self, paths: Sequence[str]) -> None:
        """Read files whole."""
        for path in paths:
            Path(path).read_bytes()


CONTENDERS: dict[str, Callable[[Path], Any]] = {
    "tutorial": Tutorial,
    "loop": Loop,
    "pipeline": Pipeline,
    "pipeline, openvino": OpenVinoPipeline,
    "pipeline, int8": Int8Pipeline,
    "limits": Limits,
}


def _made(name: str, model: Path) -> Any:
    from benchmarks.embed_libraries import LIBRARIES

    return {**CONTENDERS, **LIBRARIES}[name](model)


class Child:
    """Keep one contender loaded in a process of its own."""

    def __init__(self, name: str, model: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(name, model, theirs), daemon=True)
        self._process.start()

    def do(self, method: str, items: Sequence[str], *arguments: Any) -> Timed:
        """Have a method run over items and return what it took."""
        self._pipe.send((method, items, arguments))
        answer = self._pipe.recv()
        if isinstance(answer, str):
            raise SystemExit(answer)
        return answer  # type: ignore[no-any-return]

    def end(self) -> None:
        """Let the process end."""
        self._pipe.send(None)
        self._process.join(30)


def planned(paths: Sequence[str]) -> Any:
    """Return files as a shard's plan."""
    import pyarrow as pa

    from crossmodal.records import PLAN_SCHEMA, Action

    digests = {path: hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in set(paths)}
    rows = [
        {
            "uri": path,
            "root": str(Path(path).parent),
            "size_bytes": Path(path).stat().st_size,
            "mtime_ns": 0,
            "action": Action.ADDED,
            "reason": "new",
            "media_type": _MEDIA_TYPES.get(Path(path).suffix.lower(), "image/webp"),
            "chunker": "whole_image/1",
            "modality": "image",
            "content_hash": digests[path],
            "previous_uri": None,
            "embed": True,
        }
        for path in paths
    ]
    return pa.Table.from_pylist(rows, schema=PLAN_SCHEMA)


def _serve(name: str, model: Path, pipe: Connection) -> None:
    try:
        contender = _made(name, model)
        while (order := pipe.recv()) is not None:
            method, items, arguments = order
            cpu, wall = time.process_time(), time.perf_counter()
            given = [items] if items else []
            result = getattr(contender, method)(*given, *arguments)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            pipe.send(Timed(len(items), wall, cpu, _peak_rss_bytes(), result))
    except Exception as error:  # the parent must not wait for a process that is gone
        pipe.send(f"{name}: {type(error).__name__}: {error}")


def _peak_rss_bytes() -> int:
    # What getrusage tells begins with the parent's memory.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024


def _whole(processor: Any, model: Any, paths: Sequence[str]) -> Vectors:
    return features(model, pixels_of(processor, paths))


def _drop(_: Any) -> None:
    pass
