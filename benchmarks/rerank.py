"""Teach our own cross-attention over a model's frozen tokens, to be measured as any reranker is.

    python -m benchmarks.rerank MODEL DATA OUT [EPOCHS] [PHOTOS] [CAPTIONS]
    crossmodal index DATA/captions/flickr8k -c photos.duckdb --model MODEL
    crossmodal evaluate SET -c photos.duckdb --pair "text->image"
    crossmodal evaluate SET -c photos.duckdb --pair "text->image" --rerank OUT/reranker --against ID

It learns from DATA/train, of which nothing is measured, with so many captions a photo. The
pictures' tokens are kept in OUT, so that a second run with other epochs reads no picture.
"""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path

import numpy as np

from crossmodal.encoders.rerankers.frozen_towers import FrozenTowers
from crossmodal.previews.thumbnail import thumbnail
from crossmodal.training.cross_attention import CrossAttentionSpec, Taught, learn_cross_attention

_AT_ONCE = 8


def main(model: str, data: str, out: str, *numbers: str) -> None:
    """Write OUT/reranker; print the loss of each epoch and the time that it took."""
    epochs, photos, each = [int(n) for n in (*numbers, *("3", "1600", "2")[len(numbers) :])]
    towers, folder = FrozenTowers.load(model, "auto"), Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    lines = (Path(data) / "train" / "captions.jsonl").read_text(encoding="utf-8").splitlines()
    told = [json.loads(line) for line in lines]
    random.Random(0).shuffle(told)
    paths = [str(Path(data) / "train" / row["path"]) for row in told[:photos]]
    captions = [(text, n) for n, row in enumerate(told[:photos]) for text in row["captions"][:each]]
    taught = Taught(
        _tokens(towers, paths, folder / f"tokens-{photos}.npy"),
        [text for text, _ in captions],
        np.array([number for _, number in captions], np.int64),
    )
    began = time.perf_counter()
    spec = CrossAttentionSpec(epochs=epochs)
    learn_cross_attention(
        folder / "reranker",
        towers,
        taught,
        spec,
        lambda loss: print(
            f"loss {loss:.4f} after {time.perf_counter() - began:.0f} s", flush=True
        ),
    )


def _tokens(towers: FrozenTowers, paths: list[str], kept: Path) -> np.ndarray:
    if not kept.exists():
        side = 2 * towers.encoder.preprocess.min_side
        parts = [
            np.stack(towers.tokens([thumbnail(path, (side, side)) for path in some]))
            for some in (paths[s : s + _AT_ONCE] for s in range(0, len(paths), _AT_ONCE))
        ]
        np.save(kept, np.concatenate(parts))
    return np.load(kept)


if __name__ == "__main__":
    main(*sys.argv[1:])
