"""Decide by gates whether a model version may take over: it must be shown to be no worse.

Owns what a gate says: ``text->image recall@10 >= -0.01`` holds if the lower end of the paired
difference's 95 % interval is at least -0.01 (non-inferiority). So noise never passes for quality:
with too few queries the verdict is that there is none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from crossmodal.errors import EvaluationError
from crossmodal.evaluation.compare import Comparison, PairComparison
from crossmodal.evaluation.pairs import PAIRS
from crossmodal.ledger.evaluation_records import MEASURES

MIN_CLUSTERS = 30
"""Fewer photos or documents give no interval that can be relied upon."""
DEFAULT_GATES = ("* recall@10 >= -0.01",)
EVERY_PAIR = "*"
_GATE = re.compile(r"\s*(\S+)\s+(\S+)\s*>=\s*([-+]?\d*\.?\d+)\s*")


@dataclass(frozen=True, slots=True)
class Gate:
    """Say by how much one measure of one pair may be worse at most."""

    pair: str
    """EVERY_PAIR for each pair that there is."""
    measure: str
    margin: float

    def __str__(self) -> str:
        """Return the gate as it is written."""
        return f"{self.pair} {self.measure} >= {self.margin:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Say whether a gate holds for a pair, and why."""

    gate: str
    pair: str
    passed: bool
    reason: str


def parse_gate(text: str) -> Gate:
    """Return the gate that ``PAIR MEASURE >= MARGIN`` says.

    Raises:
        EvaluationError: it says nothing of the kind.
    """
    match = _GATE.fullmatch(text)
    pair, measure, margin = match.groups() if match else ("", "", "0")
    if pair in (*PAIRS, EVERY_PAIR) and measure in MEASURES and abs(float(margin)) <= 1:
        return Gate(pair, measure, float(margin))
    raise EvaluationError(
        f"the gate {text!r} is not PAIR MEASURE >= MARGIN, such as 'text->image recall@10 >= "
        f"-0.01'; pairs: {', '.join(PAIRS)} or *; measures: {', '.join(MEASURES)}; margin: -1 to 1"
    )


def judged(gates: Sequence[Gate], comparison: Comparison) -> list[Verdict]:
    """Return a verdict for each gate and pair; a gate on a pair that is not there does not hold."""
    verdicts = []
    for gate in gates:
        pairs = [p for p in comparison.pairs if gate.pair in (p.pair, EVERY_PAIR)]
        verdicts += [_verdict(gate, pair) for pair in pairs]
        if not pairs:
            reason = "the set has no such pair in both evaluations"
            verdicts.append(Verdict(gate=str(gate), pair=gate.pair, passed=False, reason=reason))
    return verdicts


def _verdict(gate: Gate, pair: PairComparison) -> Verdict:
    change = pair.change[gate.measure]
    told = f"{change.value:+.4f} ({change.low:+.4f} to {change.high:+.4f})"
    if pair.num_clusters < MIN_CLUSTERS:
        passed, reason = False, f"{told}: {pair.num_clusters} items are too few for a verdict"
    elif change.low >= gate.margin:
        passed, reason = True, told
    elif change.high < gate.margin:
        passed, reason = False, f"{told}: worse than allowed"
    else:
        passed, reason = False, f"{told}: not shown, it takes about {_needed(gate, pair):,} items"
    return Verdict(gate=str(gate), pair=pair.pair, passed=passed, reason=reason)


def _needed(gate: Gate, pair: PairComparison) -> int:
    """Return how many items would show an equal version to be equal: intervals shrink by roots."""
    change = pair.change[gate.measure]
    half = (change.high - change.low) / 2
    return round(pair.num_clusters * (half / max(abs(gate.margin), 1e-3)) ** 2) + 1
