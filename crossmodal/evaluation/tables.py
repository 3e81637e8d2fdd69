"""Lay out evaluations and comparisons as tables: for the terminal, and for the Prefect UI."""

from __future__ import annotations

from collections.abc import Sequence

from crossmodal.evaluation.compare import Comparison
from crossmodal.evaluation.gate import Verdict
from crossmodal.ledger.evaluation_records import Estimate, EvaluationRecord, PairResult
from crossmodal.views.text_table import TextTable

_SHOWN = ("hit@1", "hit@10", "recall@1", "recall@5", "recall@10", "MRR@10", "nDCG@10", "mAP")
_COMPARED = ("recall@1", "recall@10", "nDCG@10")


def evaluation_tables(record: EvaluationRecord) -> list[TextTable]:
    """Return the figures of every pair, and what of the set was not as it should be."""
    title = f"{record.set_name}: {record.model} (evaluation {record.evaluation_id[:12]})"
    if record.overlap:
        title += f"; TRAINED ON {record.overlap} of this set"
    header = ("pair", "measure", "value", "95 % interval", "random", "queries", "items", "of")
    rows = [row for pair in record.pairs for row in _pair_rows(pair, int(record.settings["depth"]))]
    tables = [TextTable(title, header, rows, num_words=2)]
    if record.problems:
        found = [(p.reason, f"{p.count:,}", "; ".join(p.examples)) for p in record.problems]
        tables.append(TextTable("not scored as it stands", ("what", "count", "such as"), found, 1))
    return tables


def comparison_tables(made: Comparison, verdicts: Sequence[Verdict]) -> list[TextTable]:
    """Return the paired differences of every pair, and the verdict of every gate."""
    rows = [
        (
            pair.pair,
            name,
            f"{pair.before[name]:.3f}",
            f"{pair.after[name]:.3f}",
            f"{pair.change[name].value:+.3f}",
            f"{pair.change[name].low:+.3f} to {pair.change[name].high:+.3f}",
            f"{pair.num_changed:,} of {pair.num_queries:,}",
        )
        for pair in made.pairs
        for name in _COMPARED
    ]
    header = ("pair", "measure", "before", "after", "change", "95 % interval", "queries changed")
    tables = [TextTable(f"{made.before} -> {made.after}", header, rows, num_words=2)]
    if verdicts:
        cells = [(v.gate, v.pair, "holds" if v.passed else "MISSED", v.reason) for v in verdicts]
        tables.append(TextTable("gates", ("gate", "pair", "", "change"), cells, num_words=4))
    return tables


def _pair_rows(pair: PairResult, depth: int) -> list[tuple[str, ...]]:
    counts = (f"{pair.num_queries:,}", f"{pair.num_clusters:,}", f"{pair.gallery_size:,}")
    rows = [(pair.pair, name, *_cells(pair.measures[name]), *counts) for name in _SHOWN]
    median = f"> {depth:,}" if pair.median_rank is None else f"{pair.median_rank:g}"
    return [
        *rows,
        (pair.pair, "median rank", median, "", "", *counts),
        (pair.pair, "ms a query", f"{pair.ms_per_query:.1f}", "", "", *counts),
    ]


def _cells(found: Estimate) -> tuple[str, str, str]:
    chance = "" if found.random is None else f"{found.random:.3f}"
    return f"{found.value:.3f}", f"{found.low:.3f} to {found.high:.3f}", chance
