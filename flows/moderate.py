"""Find what violates the policies of a folder: in what is new, or by what has changed.

read policies -> plan -> encode their sentences and examples -> score, list by list, each committed
-> report. Nothing is removed by it; people decide (see ``crossmodal review``).
"""

from __future__ import annotations

from typing import Any

from flows.params.flat import form_flow
from flows.params.moderate import ModerateParams
from tasks.moderate import (
    encode_policies,
    plan_scores,
    read_policies,
    report_findings,
    score,
    second,
)
from tasks.report import open_run


@form_flow("moderate", ModerateParams)
def moderate(params: ModerateParams) -> dict[str, Any]:
    """Score chunks by policies and put what violates them into the queue for people to decide."""
    folder = read_policies(params.policies, params.collection, params.judge)
    with open_run("moderate", params.collection, params.model_dump(), params.run_options()) as run:
        jobs = plan_scores(run, folder)
        encoded = encode_policies(run, jobs, params.device)
        tally = second(run, score(run, encoded), params.judge, params.device)
        return report_findings(run, folder, tally)
