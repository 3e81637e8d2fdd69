"""Versions stand side by side with what they cost and find; noise beats nobody."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from crossmodal.errors import NotComparable
from crossmodal.evaluation.changed import changed_sheet
from crossmodal.evaluation.compare import Changed, compare
from crossmodal.evaluation.frontier import draw_frontier, frontier, frontier_table
from crossmodal.evaluation.gate import Gate, judged
from crossmodal.evaluation.model_tables import model_tables
from crossmodal.ledger.evaluation_records import (
    MEASURES,
    Estimate,
    EvaluationRecord,
    PairResult,
    QueryResult,
)
from crossmodal.ledger.write import evaluations, model_versions
from crossmodal.models.catalogue import catalogue, licence_of
from crossmodal.models.lineage import register_parent
from crossmodal.models.options import STARTER
from crossmodal.records import Lineup
from tests.ledger import build
from tests.ledger.build import commit, planned
from tests.ledger.conftest import collection, con

__all__ = ["collection", "con"]

NUM = 40


def record(label: str, recall: float, half: float = 0.01, **changes: Any) -> EvaluationRecord:
    found = Estimate(recall, recall - half, recall + half, 0.1)
    scores = {"ms_per_query": 5.0, "gallery_digest": "g", **changes}
    pair = PairResult(
        pair="text->image",
        num_queries=NUM,
        num_clusters=NUM,
        gallery_size=100,
        measures=dict.fromkeys(MEASURES, found),
        median_rank=2.0,
        **scores,
    )
    return EvaluationRecord(
        evaluation_id=f"{label}{recall}",
        model=label,
        versions={"image": 1},
        set_name="holiday",
        set_path="/sets/holiday.csv",
        set_digest="d",
        settings={"depth": 100},
        problems=[],
        overlap="",
        pairs=[pair],
        queries=[
            QueryResult(
                pair="text->image",
                query_id=f"q{i}",
                cluster=str(i),
                title=f"query {i}",
                first_rank=1,
                scores=(recall,) * len(MEASURES),
                top_chunks=(1, 2),
                top_scores=(0.3, 0.2),
            )
            for i in range(NUM)
        ],
    )


@pytest.fixture
def labels(con: Any, tmp_path: Path) -> list[str]:
    """Return the labels of three versions, the first of them live, the third made from it."""
    made = []
    for name in ("first", "second", "third"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        (folder / "README.md").write_text("---\nlicense: mit\n---\n# A model\n")
        version = model_versions.register(con, build.version(str(folder)))
        if not made:
            model_versions.set_live(con, Lineup.of(version))
        commit(con, version, *(planned(f"/p/{i}", str(i)) for i in range(NUM)))
        made.append(version.label)
    register_parent(con, 3, 1, {"kind": "training", "run": "abc"})
    return made


def on_frontier(con: Any) -> list[bool]:
    return [point.on_frontier for point in frontier(catalogue(con))]


def test_only_where_intervals_separate_is_a_version_beaten(con: Any, labels: list[str]) -> None:
    for label, recall in zip(labels, (0.80, 0.815, 0.90), strict=True):
        evaluations.put(con, record(label, recall))
    assert on_frontier(con) == [False, False, True]
    evaluations.put(con, record(labels[2], 0.91, ms_per_query=50.0))
    con.execute("DELETE FROM evaluation WHERE evaluation_id = ?", [f"{labels[2]}0.9"])
    assert on_frontier(con) == [True, True, True]


def test_versions_over_other_galleries_are_not_set_side_by_side(
    con: Any, labels: list[str]
) -> None:
    for number, label in enumerate(labels):
        evaluations.put(con, record(label, 0.8, gallery_digest=str(number)))
    with pytest.raises(NotComparable, match="over the same gallery"):
        frontier(catalogue(con))


def test_the_frontier_is_drawn_and_told(con: Any, labels: list[str], tmp_path: Path) -> None:
    for label, recall in zip(labels, (0.80, 0.815, 0.90), strict=True):
        evaluations.put(con, record(label, recall))
    points = frontier(catalogue(con), "holiday")
    draw_frontier(points, points[0].pair, tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as plot:
        assert len(plot.convert("RGB").getcolors(100_000) or []) > 3
    assert [row[2] for row in frontier_table(points).rows] == ["", "", "frontier"]


def test_the_catalogue_tells_origin_licence_size_and_duty(con: Any, labels: list[str]) -> None:
    evaluations.put(con, record(labels[0], 0.8))
    first, _, third = catalogue(con)
    assert (first.licence, first.serves) == ("mit", ["image", "text"])
    assert first.vector_bytes == NUM * build.DIM * 4
    assert first.scored[0].recall_at_10.value == 0.8
    assert third.parent is not None
    assert third.parent.parent_id == 1
    shown = "\n".join(table.to_text() for table in model_tables(catalogue(con), []))
    assert "kind training, run abc" in shown


def test_the_built_in_model_says_what_it_is_for() -> None:
    assert licence_of(build.version(STARTER)) == "to try out and to test only"
    assert licence_of(build.version("/no/such/folder")) == ""


def test_other_sets_queries_or_galleries_do_not_compare() -> None:
    one = record("a", 0.8)
    with pytest.raises(NotComparable, match="not the same set"):
        compare(one, replace(one, set_digest="other"))
    with pytest.raises(NotComparable, match="galleries differ"):
        compare(one, record("b", 0.8, gallery_digest="other"))
    with pytest.raises(NotComparable, match="1 queries were scored in one evaluation only"):
        compare(one, replace(one, queries=one.queries[1:]))


def test_a_gate_on_a_pair_that_is_not_there_does_not_hold() -> None:
    made = compare(record("a", 0.8), record("b", 0.8))
    assert judged([Gate("*", "mAP", -0.01)], made)[0].passed
    missing = judged([Gate("text->audio", "mAP", -0.01)], made)[0]
    assert not missing.passed
    assert "no such pair" in missing.reason


def test_what_changed_is_shown_side_by_side(con: Any, labels: list[str], tmp_path: Path) -> None:
    before, after = record("a", 0.8).queries[0], record("b", 0.9).queries[0]
    changed_sheet(con, [Changed(before, after)] * 2, tmp_path / "changed.png")
    with Image.open(tmp_path / "changed.png") as sheet:
        assert sheet.width > sheet.height
