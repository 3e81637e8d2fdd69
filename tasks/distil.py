"""Open the room of distillation to flows: find pictures, learn, register, and show how it went."""

from __future__ import annotations

from typing import Any

from crossmodal.records import ModelVersion
from crossmodal.runs.run import Run
from crossmodal.training.distil import make
from crossmodal.training.distil.report import told
from crossmodal.training.distil.shown import show
from crossmodal.training.distil.spec import DistilSpec, Shown, Student
from crossmodal.training.epochs import Epoch
from tasks.finetune import show_learned
from tasks.stage import log, stage


@stage("prepare pictures", found=lambda shown: str(shown.counts))
def prepare_pictures(run: Run, spec: DistilSpec) -> Shown:
    """Find the pictures and the teacher's vectors of them; what is wrong is said here."""

    def tick(done: int, total: int) -> None:
        log("the teacher has computed %d of %d vectors", done, total)

    with run.recorder.span("prepare pictures") as span:
        shown = show(run.collection, spec, tick)
        span.num_items = shown.counts["pictures"]
    return shown


@stage("distil", found=lambda student: f"best after epoch {student.best_epoch}")
def learn_student(run: Run, shown: Shown, spec: DistilSpec) -> Student:
    """Learn; the ledger knows nothing of it yet."""

    def tick(epoch: Epoch) -> None:
        run.progress.advance(1)
        near = epoch.dev
        log("loss %.4f, nearest %.3f, first ten %.3f", epoch.loss, near.at_1, near.at_10)

    run.progress.start(spec.schedule.epochs, "epochs")
    with run.recorder.span("distil") as span:
        student = make.distil(run.collection, shown, spec, tick, lambda words: log("%s", words))
        span.num_items = len(student.epochs)
    run.progress.finish()
    return student


@stage("register", found=lambda version: str(version.label))
def register_student(run: Run, shown: Shown, student: Student, spec: DistilSpec) -> ModelVersion:
    """Write the student as a model folder, then enter it as a model version."""
    with run.recorder.span("register"):
        written = make.write_student(run.collection, shown, student, spec)
        with run.collection.write() as con:
            version = make.register_student(con, written, shown, student, spec, run.id)
        make.forget_state(run.collection, shown, spec)
    return version


@stage("report learned")
def report_student(
    run: Run, shown: Shown, student: Student, version: ModelVersion, curves: str
) -> dict[str, Any]:
    """Return what the student came to beside its teacher, and show it."""
    report = told(shown, student, version)
    run.counts = {"model_version_id": version.id, **shown.counts}
    show_learned(run, report["text"], student.epochs, student.best_epoch, curves)
    return report
