"""Open the publishing room to flows: plan, send and verify a publication, and tell of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prefect.artifacts import create_markdown_artifact

from crossmodal.errors import ParametersError
from crossmodal.ledger.collection import Collection
from crossmodal.publishing.options import PublishOptions
from crossmodal.publishing.publisher import PublicationPlan, Publisher, publishing, verified
from crossmodal.runs.run import Run
from crossmodal.views.human import counted
from tasks.events import tell
from tasks.stage import artifact_key, showing, stage


@stage("check collection")
def check_collection(collection: str, options: PublishOptions) -> None:
    """Make sure that there is something to publish and somewhere to; no run is entered otherwise.

    Raises:
        ParametersError: no store is named.
        CollectionMissing: there is nothing to publish; no collection is made.
    """
    if not options.to:
        raise ParametersError(
            "to is empty: name a store, such as lance:///srv/photos, "
            "postgresql://USER@HOST/DATABASE or qdrant://HOST:6333"
        )
    with Collection(collection).read():
        pass


@contextmanager
def opened_publication(run: Run, options: PublishOptions) -> Iterator[Publisher]:
    """Yield what publishes as this run."""
    with publishing(run.collection, options, run.id) as publisher:
        yield publisher


@stage("plan publication", found=lambda plan: f"{counted(plan.num_rows, 'row')} to write or remove")
def plan_publication(run: Run, publisher: Publisher) -> PublicationPlan:
    """Return what has to be sent."""
    with run.recorder.span("plan publication") as span:
        plan = publisher.plan()
        span.num_items = plan.num_rows
    return plan


@stage("send")
def send_changes(run: Run, publisher: Publisher, plan: PublicationPlan) -> None:
    """Send what the plan says; tried again, it goes on with what is left."""
    with run.recorder.span("send") as span:
        span.num_items = plan.num_rows
        if plan.num_rows:
            run.progress.start(plan.num_rows, "rows")
        publisher.send(plan, run.progress.advance)


@stage(
    "verify store",
    found=lambda plan: (
        f"{counted(len(plan.tables), 'table holds', 'tables hold')} what they should"
    ),
)
def verify_store(run: Run, publisher: Publisher, plan: PublicationPlan) -> PublicationPlan:
    """Compare counts and sampled vectors with the ledger; what is wrong is mended once."""
    with run.recorder.span("verify store") as span:
        done = verified(publisher, plan, run.progress.advance)
        span.num_items = sum(table.sent.num_sampled for table in done.tables)
    return done


@stage("report publication")
def report_publication(run: Run, publisher: Publisher, plan: PublicationPlan) -> dict[str, Any]:
    """Note the publication in the ledger and the store, show it and return it as plain values."""
    with run.recorder.span("report publication"):
        report = publisher.close(plan).to_dict()
    run.counts = publisher.publication.counts()
    with showing():
        create_markdown_artifact(
            report.pop("markdown"),
            key=artifact_key(run, "publication"),
            description="What the store holds now, and what was sent to it",
        )
    tell(run, "crossmodal.published", run.counts)
    return report
