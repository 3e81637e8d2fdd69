"""Open the training room to flows: read pairs, learn, register, and show how it went."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefect.artifacts import create_markdown_artifact

from crossmodal.records import ModelVersion
from crossmodal.runs.run import Run
from crossmodal.training import finetune
from crossmodal.training import tune_towers as towers
from crossmodal.training.curves import draw_curves
from crossmodal.training.epochs import Epoch
from crossmodal.training.fusion import tune_fusion
from crossmodal.training.prepare import prepare
from crossmodal.training.report import told
from crossmodal.training.spec import FinetuneSpec, Prepared, Tuned
from tasks.stage import artifact_key, log, showing, stage


@stage("prepare pairs", found=lambda prepared: str(prepared.counts))
def prepare_pairs(run: Run, spec: FinetuneSpec) -> Prepared:
    """Read and divide the pairs; what is wrong with them is said before anything is learned."""
    with run.recorder.span("prepare pairs") as span:
        prepared = prepare(run.collection, spec)
        span.num_items = prepared.counts["captions"]
    return prepared


@stage("learn", found=lambda tuned: f"best after epoch {tuned.best_epoch}")
def learn(run: Run, prepared: Prepared, spec: FinetuneSpec) -> Tuned:
    """Learn; the ledger knows nothing of it yet."""
    run.progress.start(spec.num_epochs, "epochs")
    with run.recorder.span("learn") as span:
        tuned = _tuned(run, prepared, spec)
        span.num_items = len(tuned.epochs)
    run.progress.finish()
    return tuned


def _tuned(run: Run, prepared: Prepared, spec: FinetuneSpec) -> Tuned:
    def tick(epoch: Epoch) -> None:
        run.progress.advance(1)
        log("loss %.4f, dev recall@1 %.3f, @10 %.3f", epoch.loss, epoch.dev.at_1, epoch.dev.at_10)

    if spec.depth == "head":
        return finetune.tune(prepared, spec, tick)
    if spec.depth == "fusion":
        return tune_fusion(prepared, spec, tick)
    return towers.tune_towers(run.collection, prepared, spec, tick)


@stage("register", found=lambda version: str(version.label))
def register_learned(
    run: Run, prepared: Prepared, tuned: Tuned, spec: FinetuneSpec
) -> ModelVersion:
    """Enter what was learned as a model version, in one transaction; a model is written first."""
    with run.recorder.span("register"):
        if spec.on_vectors:
            with run.collection.write() as con:
                return finetune.register_tuned(con, prepared, tuned, spec, run.id)
        written = towers.write_tuned(run.collection, prepared, tuned, spec)
        with run.collection.write() as con:
            version = towers.register_model(con, written, prepared, tuned, spec, run.id)
        towers.checkpoint_of(run.collection, prepared, spec).clear()
    return version


@stage("report learned")
def report_learned(
    run: Run, prepared: Prepared, tuned: Tuned, version: ModelVersion, curves: str
) -> dict[str, Any]:
    """Return what was learned, draw its curves and show both."""
    with run.collection.read() as con:
        same_top = finetune.same_top(con, prepared.parent, tuned)
    report = told(prepared, tuned, version, same_top)
    run.counts = {"model_version_id": version.id, "share": tuned.share, **prepared.counts}
    show_learned(run, report["text"], tuned.epochs, tuned.best_epoch, curves)
    return report


def show_learned(
    run: Run, text: str, epochs: Sequence[Epoch], best_epoch: int, curves: str
) -> None:
    """Show what was learned as an artifact, its curves below; write them into ``curves`` too."""
    drawn = run.workdir / "curves.png"
    draw_curves(epochs, best_epoch, drawn)
    picture = base64.b64encode(drawn.read_bytes()).decode()
    if curves:
        draw_curves(epochs, best_epoch, Path(curves).expanduser())
    with showing():
        create_markdown_artifact(
            f"```\n{text}\n```\n\n![curves](data:image/png;base64,{picture})",
            key=artifact_key(run, "learned"),
            description="What was learned, how it went, and what it costs",
        )
