"""Choose the model versions to embed with."""

from __future__ import annotations

from crossmodal.models.lineup import advice, choose_lineup
from crossmodal.models.options import LineupSpec
from crossmodal.records import Lineup
from crossmodal.runs.run import Run
from tasks.stage import stage, tag_run


@stage("choose models", found=lambda lineup: str(lineup.label))
def choose_models(run: Run, spec: LineupSpec, dtype: str) -> Lineup:
    """Return the line-up to embed with; loads no weights."""
    with run.recorder.span("choose models"):
        run.notes += filter(None, [advice(run.collection, spec)])
        chosen = choose_lineup(run.collection, spec, dtype)
    models = [f"model:{version.label}" for version in chosen.versions]
    tag_run(f"collection:{run.collection.path.stem}", *models)
    return chosen
