"""Hand partitions of a backfill to deployment runs, and wait for them.

Owns the runs on the Prefect server; refuses to embed: every partition's run plans, embeds and
settles by itself. Invariant: for each partition there is at most one run under way, also when the
run that dispatched it was killed and another one goes on, since both give it the same key.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

from httpx import HTTPError
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.runtime import deployment

from crossmodal.errors import DeploymentError, RunError
from crossmodal.ledger.backfill_records import Backfill, PartitionRecord
from crossmodal.runs.run import Run
from tasks.stage import PARTITION_FLOW, leave_if_suspended, stage

POLL_S = 2.0

Parameters = Callable[[str], dict[str, Any]]


@stage("dispatch", timed=True)
def dispatch(run: Run, backfill: Backfill, parameters: Parameters, max_parallel: int) -> list[str]:
    """Run each partition with work as a deployment run, ``max_parallel`` of them at a time.

    Args:
        run: the run that dispatches.
        backfill: what is to be done.
        parameters: returns a partition's flow parameters, given its name.
        max_parallel: how many runs may be under way.

    Returns:
        A sentence for each run that did not complete.

    Raises:
        DeploymentError: the server knows no such deployment.
    """
    launch = _Launcher(run, backfill, parameters)
    waiting = [partition.count.name for partition in backfill.partitions]
    under_way: dict[UUID, str] = {}
    lost = []
    run.progress.start(len(waiting), "partitions")
    while waiting or under_way:
        leave_if_suspended()
        while waiting and len(under_way) < max_parallel:
            name = waiting.pop(0)
            under_way[launch(name)] = name
        time.sleep(POLL_S)
        for flow_run_id, state in _ended(list(under_way)):
            name = under_way.pop(flow_run_id)
            run.progress.advance(1)
            if not state.is_completed():
                lost.append(f"{name}: {state.name}, {state.message or 'no message'}")
    return lost


@stage("report dispatch")
def report_dispatch(run: Run, records: list[PartitionRecord], lost: list[str]) -> dict[str, Any]:
    """Return how far each partition is, as plain values.

    Raises:
        RunError: a partition's run did not complete.
    """
    report = run.extras | {
        "run_id": run.id,
        "state": "failed" if lost else "completed",
        "num_embedded": 0,
        "lost": lost,
        "text": f"Run {run.id[:8]} handed its partitions to deployment runs",
    }
    run.counts = {
        "num_planned": sum(record.num_planned for record in records),
        "num_partitions": len(records),
        "num_partitions_lost": len(lost),
    }
    if lost:
        raise RunError(
            f"{len(lost)} of {len(records)} partitions were not completed: {'; '.join(lost)}. "
            "Run the same backfill again for what is left",
            report,
        )
    return report


class _Launcher:
    """Start the run of a partition, or find the one that is already under way."""

    def __init__(self, run: Run, backfill: Backfill, parameters: Parameters) -> None:
        self._id = backfill.id
        self._parameters = parameters
        self._deployment = f"{PARTITION_FLOW}/{deployment.name or run.collection.path.stem}"

    def __call__(self, name: str) -> UUID:
        """Return the flow run's id."""
        # A key stands for a run for ever, so an attempt that has ended calls for the next key.
        for attempt in itertools.count(1):
            flow_run = self._launch(name, f"{self._id}-{name}-{attempt}")
            if flow_run.state is None or not flow_run.state.is_final():
                break
        return flow_run.id

    def _launch(self, name: str, key: str) -> FlowRun:
        try:
            launched = run_deployment(
                self._deployment,
                parameters=self._parameters(name),
                idempotency_key=key,
                tags=["backfill", f"backfill:{self._id}"],
                timeout=0,
            )
        except ObjectNotFound as error:
            raise DeploymentError(
                f"the Prefect server knows no deployment {self._deployment}: make it with "
                "`crossmodal deploy`, or run the partitions here"
            ) from error
        return cast(FlowRun, launched)


def _ended(flow_run_ids: list[UUID]) -> list[tuple[UUID, State[Any]]]:
    """Return the final state of the runs that have one; a server that is away tells of none."""
    try:
        with get_client(sync_client=True) as client:
            found = [client.read_flow_run(flow_run_id) for flow_run_id in flow_run_ids]
    except HTTPError:
        return []
    return [(run.id, run.state) for run in found if run.state and run.state.is_final()]
