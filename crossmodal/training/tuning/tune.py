"""Try the ways on somebody's own pictures, say what to do next, and write what is asked for.

Owns the order: choose the model, take the sample, measure, advise. What is written is a model
version of its own, and nothing is registered until pictures are embedded with it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossmodal.errors import ModelUnsupported, ParametersError
from crossmodal.ledger.collection import Collection
from crossmodal.models import files as model_files
from crossmodal.models.kinds import IMAGE_TEXT
from crossmodal.models.lineup import choose_lineup
from crossmodal.models.options import LineupSpec, ModelSpec
from crossmodal.records import ModelVersion
from crossmodal.training.recall import Recall
from crossmodal.training.tuning.sample import Sample, sample_of
from crossmodal.training.tuning.try_ways import Tried, try_ways
from crossmodal.training.tuning.ways import Workbench
from crossmodal.training.tuning.written import refuse_taken, write
from crossmodal.views.text_table import TextTable

WORTH_CHANGING = 1.1
"""Times today's speed: two measurements of one way differ by less."""
MAX_LOSS = 0.01
"""Of recall@1 and @10, for which another version is worth trying: within a small sample nearly
every caption finds its picture among ten, so that the first tells them apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneSpec:
    """Name what to try, and on what."""

    collection: str
    model: str = ""
    images: str = ""
    captions: str = ""
    num_pictures: int = 60
    input_px: tuple[int, ...] = ()
    int8: bool = False
    """Try integers at each of ``input_px`` too, and write them."""
    write: str = ""
    """The folder to write the model into: for pictures of ``input_px``, in integers, or both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """Hold what came of it."""

    model: str
    num_pictures: int
    num_captions: int
    ways: list[Tried]
    advice: str
    written: str = ""
    """The folder that was written; empty where none was asked for."""


def tune(spec: TuneSpec, tick: Callable[[], None] = lambda: None) -> Tuning:
    """Return what each way gains and costs; ``tick`` is called as each of them is done.

    Raises:
        ParametersError: a size does not fit the model, or several are to be written.
        PathError, PairsError: there are no pictures, or the folder to write holds something else.
        ModelUnsupported: the model has no image tower of square patches.
    """
    if spec.write and len(spec.input_px) + spec.int8 not in (1, 1 + spec.int8):
        raise ParametersError(
            "--write needs to know what: one size with --input-px, such as 192, or --int8, or both"
        )
    if spec.write:
        refuse_taken(Path(spec.write))
    collection = Collection(spec.collection)
    version = _version(collection, spec.model)
    sample = sample_of(collection, spec.images, spec.captions, spec.num_pictures)
    with tempfile.TemporaryDirectory() as scratch:
        files = model_files.files_of(version)
        bench = Workbench(files, version, Path(scratch), sample.calibration)
        ways = bench.ways(bench.sides(spec.input_px), all_int8=spec.int8)
        side = spec.input_px[0] if spec.input_px else bench.shape.side
        if spec.write:  # of what is not written, nothing need be known
            ways = [ways[0], *(way for way in ways if way.makes(side, int8=spec.int8))]
        sample, found = try_ways(bench, ways, sample, tick)
        written = write(bench, side, Path(spec.write), int8=spec.int8) if spec.write else ""
    return Tuning(
        model=version.label,
        num_pictures=len(sample.uris),
        num_captions=sum(map(len, sample.captions)),
        ways=found,
        advice=advice(found, sample, written),
        written=written,
    )


def advice(found: Sequence[Tried], sample: Sample, written: str = "") -> str:
    """Return one sentence on what to do next."""
    if written:
        return (
            f"next: crossmodal backfill PATH... --model {written}, then evaluate both and promote "
            "the one that you want"
        )
    same = _fastest(t for t in found if not t.is_other_version)
    today = found[0].recall
    kept = _fastest(t for t in found if _is_worth_trying(t, today))
    steps = []
    if same:
        steps.append(
            f"{same.use} ({same.ratio:.2f} times today's with the same vectors; large runs take it "
            "by themselves)"
        )
    if today and kept and (not same or kept.ratio / same.ratio > WORTH_CHANGING):
        steps.append(
            f"{kept.use} ({kept.ratio:.2f} times today's, recall@1 {kept.recall.at_1:.3f} after "
            f"{today.at_1:.3f} on this sample), then evaluate both and promote"
        )
    if steps:
        return "next: " + "; or ".join(steps)
    how = "" if sample.captions else "; with --captions it is seen what another version loses"
    return f"next: nothing, no way is faster with the same vectors or as much recall{how}"


def _fastest(ways: Iterable[Tried]) -> Any:
    """Return the fastest of the ways that are worth the change; None where none is."""
    worth = [tried for tried in ways if (tried.ratio or 0) > WORTH_CHANGING]
    return max(worth, key=lambda tried: tried.ratio or 0, default=None)


def _is_worth_trying(tried: Tried, today: Recall | None) -> bool:
    if not tried.is_other_version or today is None or tried.recall is None:
        return False
    losses = today.at_1 - tried.recall.at_1, today.at_10 - tried.recall.at_10
    return max(losses) <= MAX_LOSS


def tuning_table(tuning: Tuning) -> TextTable:
    """Return the figures for people."""
    header = (
        *("way", "how to take it", "images/s", "times today's", "cosine", "overlap@10"),
        *("recall@1", "recall@10", "MB"),
    )
    rows = [_row(tried) for tried in tuning.ways]
    told = f"{tuning.num_pictures} pictures" + (
        f", {tuning.num_captions} captions" if tuning.num_captions else ""
    )
    return TextTable(f"{tuning.model} on {told}", header, rows, num_words=2)


def _row(tried: Tried) -> tuple[str, ...]:
    how = "cannot be taken: " + tried.problem if tried.problem else tried.use
    figures = (
        (tried.images_per_s, "{:.1f}"),
        (tried.ratio, "{:.2f}"),
        (tried.cosine, "{:.4f}"),
        (tried.overlap_at_10, "{:.3f}"),
        (tried.recall and tried.recall.at_1, "{:.3f}"),
        (tried.recall and tried.recall.at_10, "{:.3f}"),
        (tried.megabytes, "{:.0f}"),
    )
    return (tried.way, how, *("" if v is None else form.format(v) for v, form in figures))


def _version(collection: Collection, model: str) -> ModelVersion:
    spec = LineupSpec(joint=ModelSpec(model) if model else None)
    version = choose_lineup(collection, spec, "auto").joint.root
    if dict(version.encoders) != IMAGE_TEXT:
        raise ModelUnsupported(
            f"{version.label} cannot be tuned: only models whose pictures all have one shape are "
            "known, such as a CLIP or a SigLIP"
        )
    if model_files.files_of(version).tower:
        raise ModelUnsupported(
            f"{version.label} is of integers already: name the model that it was made of"
        )
    return version
