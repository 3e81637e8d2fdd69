"""Look at the vectors that a run added, and tell where they are worse than they should be."""

from __future__ import annotations

from prefect.artifacts import create_markdown_artifact

from crossmodal.ledger.read.picture_quality import PictureCheck
from crossmodal.ledger.write.health import HealthRow, latest_health
from crossmodal.ledger.write.model_versions import all_versions
from crossmodal.pictures.checked import check_pictures
from crossmodal.records import Lineup
from crossmodal.runs.run import Run
from crossmodal.vectors.health_check import check_lists
from crossmodal.views.health import findings_table, health_table, pictures_table
from tasks.events import tell
from tasks.stage import artifact_key, showing, stage

_NUM_RUNS = 12


@stage("check health")
def check_health(run: Run, lineup: Lineup) -> None:
    """Measure the fresh vectors of each list; a finding is a note and an event, never an error."""
    with run.recorder.span("check health") as span:
        known = run.lineup or lineup
        lists = known.all_lists if known.id is not None and run.collection.exists else []
        found = check_lists(run.collection, lists, run.id)
        pictures = _pictures(run) if found else None
        span.num_items = sum(row.measures["num_vectors"] for row in found)
    if pictures is None:
        return
    run.notes += [pictures.sentence()] if pictures.sentence() else []
    for row in found:
        run.notes += [f"health of {row.modality}: {finding}" for finding in row.findings]
    _show(run, pictures)
    worse = [row for row in found if row.findings]
    if worse:
        _tell(run, worse)


def _pictures(run: Run) -> PictureCheck:
    with run.collection.read() as con:
        return check_pictures(con, run.id)


def _show(run: Run, pictures: PictureCheck) -> None:
    with run.collection.read() as con:
        rows = latest_health(con, _NUM_RUNS)
        labels = {version.id or 0: version.label for version in all_versions(con)}
    tables = [health_table(rows, labels), findings_table(rows, labels), pictures_table(pictures)]
    with showing():
        create_markdown_artifact(
            "\n\n".join(f"## {each.title}\n\n{each.to_markdown()}" for each in tables),
            key=artifact_key(run, "health"),
            description="How sound the latest vectors and the new pictures are",
        )


def _tell(run: Run, worse: list[HealthRow]) -> None:
    tell(
        run,
        "crossmodal.quality.regressed",
        {
            "findings": {row.modality: row.findings for row in worse},
        },
    )
