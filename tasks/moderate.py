"""Open the moderation room to flows, and tell the Prefect UI and automations what was found."""

from __future__ import annotations

from typing import Any

from prefect.artifacts import create_markdown_artifact

from crossmodal.errors import RunError
from crossmodal.ledger.collection import Collection
from crossmodal.moderation import judge as judging
from crossmodal.moderation import moderate
from crossmodal.moderation.folder import PolicyFolder
from crossmodal.moderation.folder import read_policies as read_folder
from crossmodal.moderation.score import Job
from crossmodal.runs.run import Run
from tasks.events import tell
from tasks.stage import artifact_key, showing, stage


@stage("read policies")
def read_policies(folder: str, collection: str, judge: str = "") -> PolicyFolder:
    """Return the policies of a folder.

    Raises:
        CollectionMissing, CollectionEmpty, PathError: there is nothing to moderate, or nothing by
            which; no run is entered then, and no collection made.
        ModelUnavailable, ModelUnsupported: what is named is no judge.
    """
    found = read_folder(folder)
    if judge:
        judging.judge_files(judge)
    moderate.plan(Collection(collection), PolicyFolder((), ()))
    return found


@stage("plan scores")
def plan_scores(run: Run, folder: PolicyFolder) -> tuple[Job, ...]:
    """Return which policy has to score which list from where on."""
    with run.recorder.span("plan scores") as span:
        jobs = moderate.plan(run.collection, folder)
        span.num_items = len(jobs)
    return jobs


@stage("encode policies")
def encode_policies(run: Run, jobs: tuple[Job, ...], device: str) -> moderate.Encoded:
    """Encode the sentences and examples that are new; with none, no model is loaded."""
    with run.recorder.span("encode policies") as span:
        encoded = moderate.encode(run.collection, jobs, device)
        span.num_items = len(encoded.jobs)
    return encoded


@stage("score")
def score(run: Run, encoded: moderate.Encoded) -> moderate.Tally:
    """Score what is due and commit what is found."""
    with run.recorder.span("score") as span:
        tally = moderate.score(run.collection, encoded, run.id)
        span.num_items = tally.num_scored
    return tally


@stage("judge")
def second(run: Run, tally: moderate.Tally, judge: str, device: str) -> moderate.Tally:
    """Let a judge give its view of the pictures that were found; one that saw all is not loaded."""
    if not judge:
        return tally
    with run.recorder.span("judge") as span:
        judged = judging.second(run.collection, judging.judge_files(judge), device)
        span.num_items = tally.num_judged = judged.num
        tally.problems += judged.problems
    return tally


@stage("report findings")
def report_findings(run: Run, folder: PolicyFolder, tally: moderate.Tally) -> dict[str, Any]:
    """Publish what was found and return it; an event tells automations of new findings.

    Raises:
        RunError: a policy could not be used; all others did their work.
    """
    report = moderate.summary(run.collection, folder, tally)
    run.counts = {k: v for k, v in report.items() if k.startswith("num_")}
    with showing():
        create_markdown_artifact(
            report.pop("markdown") or report["text"],
            key=artifact_key(run, "findings"),
            description="What violates the policies, and by which thresholds",
        )
    if tally.num_new:
        _tell(run, tally)
    if report["problems"]:
        raise RunError("; ".join(report["problems"]), report)
    return report


def _tell(run: Run, tally: moderate.Tally) -> None:
    tell(
        run,
        "crossmodal.finding",
        {
            "num_new": tally.num_new,
            "num_first": tally.num_new_first,
            "policies": [found for found in tally.new if found["num_new"]],
        },
    )
