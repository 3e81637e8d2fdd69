"""Measure what the model, decoding and the pipeline give on an accelerator, each by itself.

The pipeline can be no quicker than the slower of the two others: which of them binds it, and how
near to that limit it comes, is what this tells. The image tower is run in several ways, on pixels
that lie in the accelerator's memory; the pipeline runs it as the product does.

    python -m benchmarks.gpu MODEL --num 16384 --out benchmarks/results/today-gpu.json

``--device cpu --num 32 --batches 2`` tries the command where there is none.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.embed_contenders import Limits
from benchmarks.embed_sets import camera_pixels

_SHARD_SIZE = 4096
"""Pictures of a pass of the pipeline: eight batches of 512, so that decoding goes on beside."""
_ROUNDS = 3
_REPEATS = 8
_WIDTH, _HEIGHT = 500, 375


@dataclass(frozen=True, slots=True)
class Way:
    """Say how the image tower is run."""

    name: str
    attention: str = "sdpa"
    compiled: str = ""
    """Mode of ``torch.compile``; empty: not compiled."""


WAYS = (
    Way("as the product runs it"),
    Way("attention written out", attention="eager"),
    Way("compiled", compiled="default"),
    Way("compiled, CUDA graphs", compiled="reduce-overhead"),
    Way("compiled, tuned", compiled="max-autotune"),
)


@dataclass(frozen=True, slots=True)
class Rate:
    """Hold how many pictures a second a way gives; ``problem`` says why it gives none."""

    way: str
    batch: int
    images_per_s: float | None
    problem: str = ""


def draw_pictures(folder: Path, num: int) -> list[str]:
    """Write that many different JPEG of 500 x 375, with detail at every scale."""
    pixels = camera_pixels()
    rng = np.random.default_rng(7)
    paths = []
    for number in range(num):
        top = rng.integers(0, pixels.shape[0] - _HEIGHT)
        left = rng.integers(0, pixels.shape[1] - _WIDTH)
        part = pixels[top : top + _HEIGHT, left : left + _WIDTH]
        paths.append(str(folder / f"{number:06}.jpg"))
        Image.fromarray(part).save(paths[-1], quality=85)
    return paths


def model_alone(bench: Limits, way: Way, batch: int) -> Rate:
    """Return what the image tower gives on random pixels in the accelerator's memory."""
    import torch

    encoder = bench.encoders.of("image")
    try:
        with _attention(encoder, way.attention), torch.inference_mode():
            tower = encoder.image_module()
            if way.compiled:
                torch.compiler.reset()
                tower = torch.compile(tower, mode=way.compiled)
            shape = (batch, *encoder.image_size, 3)
            pixels = torch.randint(0, 256, shape, dtype=torch.uint8, device=encoder.device)
            run = _synchronous(lambda: tower(pixels), encoder.device)
            run()
            run()
            return Rate(way.name, batch, round(batch / _seconds(run), 1))
    except Exception as error:  # a way that this machine cannot take is a finding, not an end
        told = (str(error).strip().splitlines() or [""])[0][:200]
        return Rate(way.name, batch, None, f"{type(error).__name__}: {told}")


@contextmanager
def _attention(encoder: Any, name: str) -> Iterator[None]:
    model = encoder.image_module().model
    before = model.config._attn_implementation
    model.set_attn_implementation(name)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def _synchronous(run: Callable[[], Any], device: str) -> Callable[[], None]:
    """Return the same, at an end only when the accelerator is."""
    import torch

    def whole() -> None:
        run()
        if device != "cpu":
            getattr(torch, device).synchronize()

    return whole


def _seconds(run: Callable[[], None]) -> float:
    """Return the seconds of a run: the best of some rounds, which neighbours disturb least."""
    rounds = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        for _ in range(_REPEATS):
            run()
        rounds.append((time.perf_counter() - started) / _REPEATS)
    return min(rounds)


def with_copies(bench: Limits, batch: int) -> Rate:
    """Return what the product's encoder gives, with pixels from the host and vectors back."""
    encoder = bench.encoders.of("image")
    shape = (batch, *encoder.image_size, 3)
    pixels = np.random.default_rng(7).integers(0, 256, shape, np.uint8)
    encoder.encode_images(pixels)
    seconds = _seconds(lambda: encoder.encode_images(pixels))
    return Rate("as the product runs it, with the copies", batch, round(batch / seconds, 1))


def told(rate: Rate) -> Rate:
    """Return the same, after it was printed."""
    print(f"{rate.way}, batch {rate.batch}: {rate.images_per_s or rate.problem}", flush=True)
    return rate


def per_s(run: Callable[[list[str]], Any], paths: list[str]) -> float:
    """Return items a second over all paths, a shard at a time."""
    started = time.perf_counter()
    for at in range(0, len(paths), _SHARD_SIZE):
        run(paths[at : at + _SHARD_SIZE])
    return round(len(paths) / (time.perf_counter() - started), 1)


def measured(options: argparse.Namespace, paths: list[str]) -> dict[str, Any]:
    """Return all figures; the pipeline is warmed by a shard that is not timed."""
    bench = Limits(options.model, options.device)
    rates = [told(model_alone(bench, way, batch)) for way in WAYS for batch in options.batches]
    rates += [told(with_copies(bench, batch)) for batch in options.batches]
    bench.images(paths[:_SHARD_SIZE])
    decode, pipeline = per_s(bench.decode, paths), per_s(bench.images, paths)
    product = [r.images_per_s or 0 for r in rates if r.way.startswith(WAYS[0].name)]
    limit = min(max(product), decode)
    return {
        "device": bench.encoders.of("image").device,
        "num_images": len(paths),
        "model": [asdict(rate) for rate in rates],
        "decode_images_per_s": decode,
        "pipeline_images_per_s": pipeline,
        "bound_by": "decoding" if decode < max(product) else "the model",
        "of_the_limit": round(pipeline / limit, 3),
    }


def main() -> None:
    """Measure, print, and write the figures where ``--out`` says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--device", default="cuda", help="cuda, mps or cpu")
    parser.add_argument("--num", type=int, default=16_384, help="pictures of 500 px")
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 256, 512])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        found = measured(options, draw_pictures(Path(scratch), options.num))
    print(json.dumps({k: v for k, v in found.items() if k != "model"}, indent=1))
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
