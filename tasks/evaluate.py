"""Evaluate a model version, show what it scored, and tell whether its gates hold."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from prefect.artifacts import create_markdown_artifact
from prefect.events import emit_event

from crossmodal.evaluation.frontier import frontier_png
from crossmodal.evaluation.judge import Judgement, JudgeSpec, judge, refuse_missed
from crossmodal.runs.live_progress import LiveProgress
from crossmodal.views.keys import collection_key
from tasks.report import ProgressArtifact
from tasks.stage import showing, stage


@stage("evaluate")
def evaluate_version(spec: JudgeSpec) -> Judgement:
    """Return what a version scored, beside what it is compared with; the progress is shown."""
    key = collection_key("evaluate-progress", spec.evaluate.query.collection)
    progress = LiveProgress(ProgressArtifact(key))
    try:
        return judge(spec, progress)
    finally:
        progress.finish()


@stage("publish evaluation")
def publish_evaluation(found: Judgement, collection: str) -> dict[str, Any]:
    """Show and return what a version scored.

    Raises:
        GateMissed: it is worse than a gate allows, or not shown to be as good.
    """
    record = found.evaluated.record
    sections = [f"## {grid.title}\n\n{grid.to_markdown()}" for grid in found.tables()]
    with showing():
        create_markdown_artifact(
            "\n\n".join([*sections, *_pictures(found)]),
            key=collection_key(f"evaluation-{record.set_name}", collection),
            description=f"How well {record.model} answers {record.set_name}",
        )
    place = Path(collection).expanduser().absolute()
    emit_event(
        f"crossmodal.evaluation.{'failed' if found.missed else 'completed'}",
        resource={
            "prefect.resource.id": f"crossmodal.collection.{place}",
            "prefect.resource.name": place.stem,
        },
        payload={k: v for k, v in found.to_dict().items() if k not in ("text", "problems")},
    )
    refuse_missed(found)
    return found.to_dict()


def _pictures(found: Judgement) -> list[str]:
    """Return what both versions find and cost as one picture a pair, in Markdown."""
    pairs = dict.fromkeys(point.pair for point in found.points)
    drawn = {pair: base64.b64encode(frontier_png(found.points, pair)).decode() for pair in pairs}
    return [f"![{pair}](data:image/png;base64,{png})" for pair, png in drawn.items()]
