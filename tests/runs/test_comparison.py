"""A run beside the one before it: which one that is, and what the table says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from crossmodal.ledger.collection import Collection
from crossmodal.runs.comparison import compare_with_earlier
from crossmodal.runs.options import RunOptions
from crossmodal.runs.profile import summarise
from crossmodal.runs.report import RunReport
from crossmodal.runs.run import Run, recorded
from tests.runs.spans import model_bound_run
from tests.runs.test_report import make_report


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    return Collection(tmp_path / "c.duckdb")


def begin(collection: Collection, flow: str = "index") -> Run:
    return Run(collection, flow, RunOptions(quiet=True))


def record(run: Run, report: RunReport) -> None:
    with recorded(run, {}):
        for span in model_bound_run():
            run.recorder.add(span)
        run.counts = report.kept()


def test_first_run_of_a_flow_has_nothing_to_be_compared_with(collection: Collection) -> None:
    record(begin(collection, "backfill"), make_report())
    run = begin(collection)
    with recorded(run, {}):
        assert compare_with_earlier(run, make_report()) is None


def test_run_stands_beside_the_latest_completed_of_its_flow(collection: Collection) -> None:
    record(begin(collection), make_report(num_embedded=11))
    latest = begin(collection)
    record(latest, make_report(num_embedded=22, wall_s=61.0))
    failed = begin(collection)
    with pytest.raises(ValueError, match="a bug"), recorded(failed, {}):
        raise ValueError("a bug")
    run = begin(collection)
    twice_as_fast = [replace(span, wall_s=span.wall_s / 2) for span in model_bound_run()]
    report = make_report(profile=summarise(twice_as_fast, 2))
    with recorded(run, {}):
        found = compare_with_earlier(run, report)
    assert found is not None
    assert found.earlier.run_id == latest.id
    lines = found.to_markdown().splitlines()
    assert f"beside run {latest.id[:8]} of " in lines[0]
    assert "| took | 20.0 s | 1 m 01 s |" in lines
    assert "| embedded | 93 | 22 |" in lines
    (forward,) = [line for line in lines if line.startswith("| · forward")]
    assert forward.endswith("| 2.00 x |")
