"""Keep a serving store in step with a collection: what changed since the last publication is sent.

plan -> send -> verify -> report. The collection stays the ledger; the store only ever follows it.
"""

from __future__ import annotations

from typing import Any

from flows.params.flat import form_flow
from flows.params.publish import PublishParams
from tasks.publish import (
    check_collection,
    opened_publication,
    plan_publication,
    report_publication,
    send_changes,
    verify_store,
)
from tasks.report import open_run


@form_flow("publish", PublishParams)
def publish(params: PublishParams) -> dict[str, Any]:
    """Bring a Lance, PostgreSQL or Qdrant store in step with the collection."""
    options = params.publish_options()
    check_collection(params.collection, options)
    with (
        open_run("publish", params.collection, params.model_dump(), params.run_options()) as run,
        opened_publication(run, options) as publisher,
    ):
        plan = plan_publication(run, publisher)
        send_changes(run, publisher, plan)
        plan = verify_store(run, publisher, plan)
        return report_publication(run, publisher, plan)
