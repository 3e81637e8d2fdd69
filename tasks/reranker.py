"""Open the room of our own rerankers to flows: read tokens, learn an order, write and report."""

from __future__ import annotations

from typing import Any

from crossmodal.runs.run import Run
from crossmodal.training import rerank
from crossmodal.training.cross_attention import LearnedNetwork
from crossmodal.training.epochs import Epoch
from crossmodal.training.rerank import RERANK, Read, WrittenReranker
from crossmodal.training.spec import FinetuneSpec, Prepared
from tasks.finetune import show_learned
from tasks.stage import log, stage

__all__ = ["RERANK", "learn_order", "read_tokens", "report_reranker", "write_reranker"]


@stage("read tokens")
def read_tokens(run: Run, prepared: Prepared, spec: FinetuneSpec) -> Read:
    """Take each picture through the frozen tower, unless its tokens are kept."""
    run.progress.start(len(prepared.train.pictures) + len(prepared.dev.pictures), "pictures")
    with run.recorder.span("read tokens") as span:
        read = rerank.read_tokens(run.collection, prepared, spec, run.progress.advance)
        span.num_items = len(read.train.tokens) + len(read.dev.tokens)
    run.progress.finish()
    return read


@stage("learn", found=lambda order: f"best after epoch {order.learned.best_epoch}")
def learn_order(run: Run, prepared: Prepared, read: Read, spec: FinetuneSpec) -> LearnedNetwork:
    """Learn; nothing is written yet."""

    def tick(epoch: Epoch) -> None:
        run.progress.advance(1)
        log("loss %.4f, dev recall@1 %.3f, @10 %.3f", epoch.loss, epoch.dev.at_1, epoch.dev.at_10)

    run.progress.start(spec.num_epochs, "epochs")
    with run.recorder.span("learn") as span:
        order = rerank.tune_reranker(run.collection, prepared, read, spec, tick)
        span.num_items = len(order.learned.epochs)
    run.progress.finish()
    return order


@stage("write", found=lambda written: str(written.label))
def write_reranker(
    run: Run, prepared: Prepared, read: Read, order: LearnedNetwork, spec: FinetuneSpec
) -> WrittenReranker:
    """Write the folder and load it; then what a killed run would go on from is cleared away."""
    with run.recorder.span("write"):
        written = rerank.write_reranker(run.collection, prepared, read, order, spec)
        rerank.checkpoint_of(run.collection, prepared, spec).clear()
    return written


@stage("report learned")
def report_reranker(
    run: Run, prepared: Prepared, order: LearnedNetwork, written: WrittenReranker, curves: str
) -> dict[str, Any]:
    """Return what was learned, and show it."""
    report = rerank.told(prepared, order, written)
    run.counts = dict(prepared.counts)
    show_learned(run, report["text"], order.learned.epochs, order.learned.best_epoch, curves)
    return report
