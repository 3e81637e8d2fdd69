"""Judge a model version: evaluate it, compare it with another or an earlier evaluation, decide.

Owns what ``--against`` and ``--gate`` mean together; refuses to act on the verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from crossmodal.errors import EvaluationError, GateMissed
from crossmodal.evaluation.changed import changed_sheet
from crossmodal.evaluation.compare import Comparison, compare, most_changed
from crossmodal.evaluation.evaluate import NULL, Evaluated, EvaluateSpec, evaluate
from crossmodal.evaluation.frontier import Point, compared_frontier, frontier_table
from crossmodal.evaluation.gate import DEFAULT_GATES, Verdict, judged, parse_gate
from crossmodal.evaluation.tables import comparison_tables, evaluation_tables
from crossmodal.evaluation.trec import export
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.evaluation_records import EvaluationRecord
from crossmodal.ledger.write import evaluations, model_versions
from crossmodal.runs.progress import Progress
from crossmodal.search.options import QueryOptions
from crossmodal.views.text_table import TextTable

LIVE = "live"
_SHOWN = 8
# Which pairs a version that takes over a modality is asked about.
_OF_MODALITY = {
    "image": ("text->image", "image->text", "image->image", "image->label", "text->moment"),
    "text": ("text->passage",),
    "audio": ("text->audio",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeSpec:
    """Say what to evaluate, against what, and what has to hold."""

    evaluate: EvaluateSpec
    against: str = ""
    """A model version, ``live``, or the id of an evaluation; empty for none, or live for gates."""
    gates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """Hold an evaluation, the one it was compared with, and the verdicts."""

    evaluated: Evaluated
    before: EvaluationRecord | None = None
    comparison: Comparison | None = None
    verdicts: list[Verdict] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    """What both find and cost, where there are two."""

    @property
    def missed(self) -> list[Verdict]:
        """Return the gates that do not hold."""
        return [verdict for verdict in self.verdicts if not verdict.passed]

    def tables(self) -> list[TextTable]:
        """Return the tables for people."""
        tables = evaluation_tables(self.evaluated.record)
        if self.comparison:
            tables += comparison_tables(self.comparison, self.verdicts)
            tables.append(frontier_table(self.points))
        return tables

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; the values of single queries stay in the ledger."""
        return {
            **asdict(replace(self.evaluated.record, queries=[])),
            "comparison": asdict(self.comparison) if self.comparison else None,
            "verdicts": [asdict(verdict) for verdict in self.verdicts],
            "points": [asdict(point) for point in self.points],
            "text": "\n\n".join(table.to_text() for table in self.tables()),
        }


def judge(spec: JudgeSpec, progress: Progress = NULL) -> Judgement:
    """Return how well a version answers a set, beside what it is compared with.

    Raises as ``evaluate`` and ``compare`` do, and:
        EvaluationError: a gate makes no sense, or there is nothing to compare with.
    """
    gates = [parse_gate(gate) for gate in spec.gates]
    against = spec.against or (LIVE if gates else "")
    if gates and against == LIVE and spec.evaluate.query.model is None:
        raise EvaluationError("a gate compares two versions: name one with --model or --against")
    before = _before(spec.evaluate, against, progress) if against else None
    evaluated = evaluate(spec.evaluate, progress)
    if before is None:
        return Judgement(evaluated)
    made = compare(before, evaluated.record, spec.evaluate.seed)
    with Collection(spec.evaluate.query.collection).read() as con:
        points = compared_frontier(con, before, evaluated.record)
    return Judgement(evaluated, before, made, judged(gates, made), points)


def refuse_missed(found: Judgement) -> None:
    """End with an error where a gate does not hold.

    Raises:
        GateMissed: one does not; it carries the report.
    """
    if found.missed:
        told = "; ".join(f"{v.pair} ({v.gate}): {v.reason}" for v in found.missed)
        raise GateMissed(f"{found.evaluated.record.model} misses its gate: {told}", found.to_dict())


def refuse_worse(
    collection: str, named: dict[str, str], set_path: str, gates: Sequence[str] = ()
) -> list[Judgement]:
    """Refuse to promote versions that a set does not show to be as good as the live ones.

    Raises as ``judge`` does, and:
        GateMissed: one of them is worse than a gate allows, or is not shown to be as good.
    """
    judgements = []
    for modality, version in named.items():
        query = QueryOptions(collection=collection, model=version, k=100)
        spec = EvaluateSpec(set_path=set_path, query=query, pairs=_OF_MODALITY[modality])
        found = judge(JudgeSpec(evaluate=spec, against=LIVE, gates=tuple(gates or DEFAULT_GATES)))
        refuse_missed(found)
        judgements.append(found)
    return judgements


def write_files(found: Judgement, collection: str, trec: str = "", changed: str = "") -> list[Path]:
    """Write the TREC files and the picture of what changed that were asked for; return them.

    Raises:
        PathError: they cannot be written.
        EvaluationError: nothing was compared, so nothing changed.
    """
    written = []
    if trec:
        written += export(found.evaluated.ranked, Path(trec), found.evaluated.record.model)
    if changed:
        if found.before is None or found.comparison is None:
            raise EvaluationError("to show what changed, say against what: --against VERSION")
        after, pair = found.evaluated.record, found.comparison.pairs[0].pair
        with Collection(collection).read() as con:
            shown = most_changed(found.before, after, pair, _SHOWN)
            changed_sheet(con, shown, Path(changed))
        written.append(Path(changed))
    return written


def _before(spec: EvaluateSpec, against: str, progress: Progress) -> EvaluationRecord:
    with Collection(spec.query.collection).read() as con:
        is_version = against == LIVE or bool(model_versions.find(con, against))
        kept = None if is_version else evaluations.find(con, against)
        if kept is not None:
            return evaluations.with_queries(con, kept)
        known = ", ".join(version.label for version in model_versions.all_versions(con))
    if not is_version:
        raise EvaluationError(
            f"{against!r} is neither a model version of this collection ({known}) nor the id of "
            "an evaluation"
        )
    model = None if against == LIVE else against
    return evaluate(replace(spec, query=replace(spec.query, model=model)), progress).record
