"""Offer the flows that write: ``index``, ``backfill``, ``finetune``, ``distil`` and ``promote``.

Options in, one flow, its report out. What needs no Prefect server is answered without one: what
a run could only fail at, and what it would do. Everything heavy is imported inside the command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossmodal.cli import dry_run
from crossmodal.cli.drawn import form_command
from crossmodal.cli.invoke import checked, run_flow, show_preview, show_report
from crossmodal.cli.options import JsonOption

if TYPE_CHECKING:
    from flows.params.base import IndexParams


@form_command("flows.params.base:IndexParams")
def index(given: dict[str, Any], as_json: JsonOption = False) -> None:
    """Bring the collection in step with PATHS; only what changed is embedded."""
    from flows.params.base import IndexParams

    params = checked(IndexParams, given)
    dry_run.refuse_early(params)
    if params.dry_run:
        show_preview(dry_run.preview_index(params), as_json=as_json)
        return
    if report := _idle_report(params):
        show_report(report, as_json=as_json)
        return
    run_flow(_index_flow, params, as_json=as_json)


@form_command("flows.params.backfill:BackfillParams")
def backfill(given: dict[str, Any], as_json: JsonOption = False) -> None:
    """Fill the collection in from PATHS, partition by partition; nothing is deleted."""
    from flows.params.backfill import BackfillParams

    params = checked(BackfillParams, given)
    dry_run.refuse_early(params)
    if params.dry_run:
        show_preview(dry_run.preview_backfill(params), as_json=as_json)
        return
    run_flow(_backfill_flow, params, as_json=as_json)


@form_command("flows.params.finetune:FinetuneParams")
def finetune(given: dict[str, Any], as_json: JsonOption = False) -> None:
    """Fit a space to PAIRS of pictures and captions, beside the live one."""
    from flows.params.finetune import FinetuneParams

    run_flow(_finetune_flow, checked(FinetuneParams, given), as_json=as_json)


@form_command("flows.params.distil:DistilParams")
def distil(given: dict[str, Any], as_json: JsonOption = False) -> None:
    """Make a smaller student of TEACHER from pictures, beside the live model."""
    from flows.params.distil import DistilParams

    run_flow(_distil_flow, checked(DistilParams, given), as_json=as_json)


@form_command("flows.params.asking:PromoteParams", without=("ask", "patience_h"))
def promote(given: dict[str, Any], as_json: JsonOption = False) -> None:
    """Let searches use model versions that were built beside the live ones."""
    from flows.params.asking import PromoteParams

    params = checked(PromoteParams, given)
    from crossmodal.cli.models import show_change
    from crossmodal.ledger.collection import Collection
    from crossmodal.models.promotion import promote_in

    if params.gate:
        from crossmodal.evaluation.judge import refuse_worse

        refuse_worse(params.collection, params.named, params.gate)
    opened, partial = Collection(params.collection), params.allow_partial
    change = promote_in(opened, params.named, allow_partial=partial, why=params.why)
    show_change(change, as_json=as_json)


def _idle_report(params: IndexParams) -> dict[str, Any] | None:
    """Return the report of a run that had nothing to do, which needs no server."""
    from crossmodal.cli.idle.run import index_idle
    from crossmodal.cli.stopping import stopped_promptly
    from crossmodal.runs.asked import process_began_s

    with stopped_promptly(lambda: None):
        return index_idle(params, process_began_s())


def _index_flow() -> Any:
    from flows.index import index as flow

    return flow


def _finetune_flow() -> Any:
    from flows.finetune import finetune as flow

    return flow


def _distil_flow() -> Any:
    from flows.distil import distil as flow

    return flow


def _backfill_flow() -> Any:
    from flows.backfill import backfill as flow

    return flow
