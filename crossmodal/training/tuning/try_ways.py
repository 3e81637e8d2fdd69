"""Measure ways to run an image tower against today's: speed, and how far the vectors move.

Owns the measuring: processor time of a pass a core, in turn with today's so that what else the
machine does meets both; vectors and neighbours over the sample; recall where captions are at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from crossmodal.embedding.batch_size import batch_rule, process_pass_s
from crossmodal.encoders.encoder import Encoded
from crossmodal.encoders.forward import num_passes, on_one_core
from crossmodal.encoders.image_text import TransformersEncoder
from crossmodal.errors import ExtraMissing, ModelUnsupported, TrainingFailed
from crossmodal.training.distil.learn import neighbours
from crossmodal.training.distil.student import TEXT_SIDE
from crossmodal.training.prepare import text_keys
from crossmodal.training.recall import Recall, ranks_of, recall_of
from crossmodal.training.tuning.sample import Sample, pixels_of
from crossmodal.training.tuning.ways import Way, Workbench
from crossmodal.vectors.affine import Floats

_ROUNDS = 2
_TIMED = 4
"""Pictures of a pass that is timed: what large runs mostly find to be best for a ViT-B/16."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """Hold what one way gains and costs; figures are None where it cannot be taken here."""

    way: str
    is_other_version: bool
    use: str
    """What takes it from now on."""
    images_per_s: float | None = None
    """Of the image tower alone, on all cores, reckoned from processor time."""
    ratio: float | None = None
    """Of that to today's."""
    cosine: float | None = None
    """Mean, to today's vectors."""
    overlap_at_10: float | None = None
    """Of each picture's ten nearest in the sample, the share that stays."""
    recall: Recall | None = None
    """Of captions, their picture first, and among ten, of the sample; None without captions."""
    megabytes: float | None = None
    """Of the image tower's weights as it computes with them."""
    problem: str = ""
    """Why it cannot be taken here."""


@dataclass(frozen=True, slots=True)
class _Today:
    encoder: TransformersEncoder
    pixels: npt.NDArray[np.uint8]
    vectors: Floats


def try_ways(
    bench: Workbench, ways: Sequence[Way], sample: Sample, tick: Callable[[], None]
) -> tuple[Sample, list[Tried]]:
    """Return the pictures that were decoded, and what each way comes to, today's first.

    ``tick`` is called after each way.

    Raises:
        PairsError: hardly any picture can be decoded.
        TrainingFailed: today's model gives no vector for a picture.
    """
    encoder = bench.opened(ways[0])
    sample, pixels = pixels_of(sample, encoder.preprocess)
    today = _Today(encoder, pixels, _vectors(encoder, pixels))
    found = []
    for way in ways:
        found.append(_tried(bench, way, sample, today))
        tick()
    return sample, found


def _tried(bench: Workbench, way: Way, sample: Sample, today: _Today) -> Tried:
    told: dict[str, Any] = {
        "way": way.name,
        "is_other_version": way.is_other_version,
        "use": way.use(bench.version.name),
    }
    if way.today is None:
        encoder, pixels, vectors = today.encoder, today.pixels, today.vectors
    else:
        try:
            encoder = bench.opened(way)
        except (ExtraMissing, ModelUnsupported) as error:
            return Tried(**told, problem=str(error))
        is_whole = way.side == bench.shape.side
        pixels = today.pixels if is_whole else pixels_of(sample, encoder.preprocess)[1]
        vectors = _vectors(encoder, pixels)
    took_s, today_s = _in_turn(encoder, pixels, today)
    return Tried(
        **told,
        images_per_s=num_passes("cpu") / took_s,
        ratio=today_s / took_s,
        cosine=float((vectors * today.vectors).sum(axis=1).mean()),
        overlap_at_10=neighbours(vectors, today.vectors).at_10,
        recall=_recall(encoder, vectors, sample) if sample.captions else None,
        megabytes=_megabytes(encoder) / (_itemsize(way.dtype) if way.is_int8 else 1),
    )


def _vectors(encoder: TransformersEncoder, pixels: npt.NDArray[np.uint8]) -> Floats:
    size = batch_rule("cpu")
    parts = [_encoded(encoder, pixels[at : at + size]) for at in range(0, len(pixels), size)]
    return np.concatenate([part.vectors for part in parts])


def _encoded(encoder: TransformersEncoder, pixels: npt.NDArray[np.uint8]) -> Encoded:
    with on_one_core():
        encoded = encoder.encode_images(pixels)
    if encoded.failed:
        failure = next(iter(encoded.failed.values()))
        raise TrainingFailed(
            f"{encoder.version.label} gives no vector for a picture of the sample "
            f"({failure.reason}: {failure.detail}): try another number format with --dtype"
        )
    return encoded


def _in_turn(
    encoder: TransformersEncoder, pixels: npt.NDArray[np.uint8], today: _Today
) -> tuple[float, float]:
    """Return the processor seconds of a picture, by this encoder and by today's."""
    num = min(_TIMED, len(pixels))
    runs: list[Callable[[], object]] = [
        lambda: encoder.encode_images(pixels[:num]),
        lambda: today.encoder.encode_images(today.pixels[:num]),
    ]
    rounds = [[process_pass_s(run, "cpu") / num for run in runs] for _ in range(_ROUNDS)]
    took_s, today_s = (min(each) for each in zip(*rounds, strict=True))
    return max(took_s, 1e-9), max(today_s, 1e-9)


def _recall(encoder: TransformersEncoder, vectors: Floats, sample: Sample) -> Recall:
    words = tuple(text for texts in sample.captions for text in texts)
    keys = text_keys(words)
    ends = np.cumsum([len(texts) for texts in sample.captions])
    of_picture = [set(part.tolist()) for part in np.split(keys, ends[:-1])]
    ranks = ranks_of(encoder.encode_queries(words), vectors, keys, of_picture)
    return recall_of(ranks)


def _itemsize(dtype: str) -> int:
    return 4 if dtype == "float32" else 2


def _megabytes(encoder: TransformersEncoder) -> float:
    tower = [
        weights.numel() * weights.element_size()
        for name, weights in encoder.model.named_parameters()
        if not name.startswith(TEXT_SIDE)
    ]
    return float(sum(tower) / 1e6)
