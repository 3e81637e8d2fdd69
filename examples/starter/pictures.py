"""Compute the vectors of pictures with an image tower, once, and keep them beside it.

Photos are decoded in a thread while the tower computes, in bfloat16 where the processor has it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from examples.starter.towers import pixels

BATCH = 16
CHUNK = 64
PREFIX = "pictures-"


def batches(paths: list[Path], size: int) -> Iterator[Tensor]:
    """Yield the prepared photos, batch by batch, one batch ahead."""
    parts = [paths[at : at + BATCH] for at in range(0, len(paths), BATCH)]
    with ThreadPoolExecutor(1) as pool:
        ahead = [pool.submit(pixels, part, size) for part in parts[:1]]
        for i in range(len(parts)):
            ahead.extend(pool.submit(pixels, part, size) for part in parts[i + 1 : i + 2])
            yield ahead[i].result()


@torch.inference_mode()
def computed(tower: Any, paths: list[Path], size: int = 224) -> Tensor:
    """Return the vectors ``(n, 512)``, L2-normalised, of ``paths``."""
    done = []
    for batch in batches(paths, size):
        with torch.autocast("cpu", torch.bfloat16):
            output = tower(pixel_values=batch, interpolate_pos_encoding=size != 224)
        done.append(normalize(output.image_embeds.float(), dim=-1))
    return torch.cat(done).clone()


def vectors(tower: Any, paths: list[Path], cache: Path) -> Tensor:
    """Return the vectors of ``paths``; those that ``cache`` lacks are computed, 64 at a time."""
    known = _known(cache)
    missing = [path for path in dict.fromkeys(paths) if str(path) not in known]
    for at in range(0, len(missing), CHUNK):
        names = [str(path) for path in missing[at : at + CHUNK]]
        found = computed(tower, missing[at : at + CHUNK]).numpy()
        digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
        np.savez(cache / f"{PREFIX}{digest}.npz", names=np.array(names), vectors=found)
        known |= dict(zip(names, found, strict=True))
    return torch.from_numpy(np.stack([known[str(path)] for path in paths]))


def _known(cache: Path) -> dict[str, Any]:
    cache.mkdir(parents=True, exist_ok=True)
    known: dict[str, Any] = {}
    for file in cache.glob(f"{PREFIX}*.npz"):
        with np.load(file) as stored:
            known |= dict(zip(stored["names"].tolist(), stored["vectors"], strict=True))
    return known
