"""Try the ways on somebody's own pictures, say what to do next, and write a smaller input.

Owns the order: choose the model, take the sample, measure, advise. A model for smaller pictures is
an ordinary folder of transformers whose positions are interpolated; it is a model version of its
own, and nothing is registered until pictures are embedded with it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crossmodal.encoders.image_text import TransformersEncoder
from crossmodal.errors import ModelUnsupported, ParametersError
from crossmodal.ledger.collection import Collection
from crossmodal.models import files as model_files
from crossmodal.models.kinds import IMAGE_TEXT
from crossmodal.models.lineup import choose_lineup
from crossmodal.models.options import LineupSpec, ModelSpec
from crossmodal.records import ModelVersion
from crossmodal.training.directory import (
    Made,
    copy_small,
    model_card,
    packed,
    proven,
    save_weights,
    write_folder,
)
from crossmodal.training.epochs import digest_of
from crossmodal.training.tuning.sample import Sample, sample_of
from crossmodal.training.tuning.try_ways import Tried, try_ways
from crossmodal.training.tuning.ways import Workbench
from crossmodal.vectors.affine import Floats
from crossmodal.views.text_table import TextTable

WORTH_CHANGING = 1.1
"""Times today's speed: two measurements of one way differ by less."""
MAX_LOSS = 0.01
"""Of recall@10, for which another version is worth trying."""
_NUM_PROOFS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneSpec:
    """Name what to try, and on what."""

    collection: str
    model: str = ""
    images: str = ""
    captions: str = ""
    num_pictures: int = 60
    input_px: tuple[int, ...] = ()
    write: str = ""
    """The folder to write the model for pictures of ``input_px`` into."""


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
    if spec.write and len(spec.input_px) != 1:
        raise ParametersError("--write needs one size: name it with --input-px, such as 192")
    collection = Collection(spec.collection)
    version = _version(collection, spec.model)
    sample = sample_of(collection, spec.images, spec.captions, spec.num_pictures)
    with tempfile.TemporaryDirectory() as scratch:
        bench = Workbench(model_files.files_of(version), version, Path(scratch))
        ways = bench.ways(bench.sides(spec.input_px))
        sample, found = try_ways(bench, ways, sample, tick)
        written = _write(bench, spec.input_px[0], Path(spec.write)) if spec.write else ""
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
    same = [t for t in found if not t.is_other_version and (t.ratio or 0) > WORTH_CHANGING]
    if same:
        best = max(same, key=lambda tried: tried.ratio or 0)
        return (
            f"next: nothing but {best.use} ({best.ratio:.2f} times today's with the same vectors); "
            "large runs take it by themselves"
        )
    today = found[0].recall_at_10
    kept = [t for t in found[1:] if _is_worth_trying(t, today)]
    if kept:
        best = max(kept, key=lambda tried: tried.ratio or 0)
        return (
            f"next: {best.use} ({best.ratio:.2f} times today's, recall@10 "
            f"{best.recall_at_10:.3f} after {today:.3f} on this sample), then evaluate and promote"
        )
    how = "" if sample.captions else "; with --captions it is seen what another version loses"
    return f"next: nothing, no way is faster with the same vectors or as much recall{how}"


def _is_worth_trying(tried: Tried, today: float | None) -> bool:
    if today is None or tried.recall_at_10 is None:
        return False
    return (tried.ratio or 0) > WORTH_CHANGING and today - tried.recall_at_10 <= MAX_LOSS


def tuning_table(tuning: Tuning) -> TextTable:
    """Return the figures for people."""
    header = (
        *("way", "how to take it", "images/s", "times today's", "cosine", "overlap@10"),
        *("recall@10", "MB"),
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
        (tried.recall_at_10, "{:.3f}"),
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
    return version


def _write(bench: Workbench, side: int, folder: Path) -> str:
    """Write the model for pictures of another side, load it again, and return its folder."""
    folder = folder.expanduser().absolute()
    encoder = bench.smaller(side, "float32")
    weights = {name: packed(values) for name, values in encoder.model.state_dict().items()}
    digest = digest_of(weights)
    made = Made(folder.name, bench.version, f"input-{side}-px", "none", digest)
    card = model_card(made, [], _words(bench, side, digest))

    def fill(partial: Path) -> None:
        copy_small(bench.small(side), partial)
        save_weights(weights, partial)

    write_folder(folder, card, digest, fill)
    proofs = encoder.preprocess.noise(_NUM_PROOFS)
    found = proven(folder, bench.version.dtype, lambda other: _proof(other, proofs))
    found.gives(_proof(encoder, proofs))
    return str(folder)


def _proof(encoder: TransformersEncoder, pixels: np.ndarray) -> Floats:
    return np.concatenate([encoder.encode_images(pixels).vectors, encoder.encode_queries(["a"])])


def _words(bench: Workbench, side: int, digest: str) -> list[str]:
    return [
        f"`{bench.version.label}` for pictures of {side} x {side} pixels in place of "
        f"{bench.shape.side}, written by crossmodal models tune: positions are interpolated "
        "(bicubic), all other weights are as they were. Nothing was learned.",
        "",
        "Its vectors are near those of the original and not the same: evaluate both on a set of "
        "your own. `crossmodal distil --size light` makes up for some of what is lost.",
        "",
        f"Digest of the weights {digest}.",
    ]
