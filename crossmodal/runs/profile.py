"""Summarise a run's spans: time by stage, the bottleneck, and a comparison of two runs.

Pure: spans in, numbers out. A stage's wall time is the time in which at least one of its spans was
open, so shards that overlap are not counted twice; an operator's busy time is the sum over its
calls, so on several threads it may exceed the wall time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from crossmodal.records import Span
from crossmodal.views.human import percent

# Below this share of the stage no operator can be what the others wait for.
_BOUND_SHARE = 0.5
_BOUND_BY = {
    "forward": "model-bound",
    "decode": "decode-bound",
    "read": "I/O-bound",
    "discover": "I/O-bound",
    "plan": "I/O-bound",
    "inspect": "I/O-bound",
    "store": "storage-bound",
    "settle": "storage-bound",
    "load model": "start-up-bound",
    "verify": "storage-bound",
    "start-up": "start-up-bound",
    "queue": "queue-bound",
    "dispatch": "bound by its partitions",
    "lock wait": "bound by other runs and searches",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorProfile:
    """Say what one operator did inside its stage."""

    name: str
    num_calls: int
    busy_s: float
    """Summed over its calls."""
    active_s: float
    """In which at least one call was under way."""
    utilisation: float
    """Share of the stage's wall time in which it was active, 0 to 1."""
    num_items: int
    num_bytes: int

    @property
    def items_per_s(self) -> float | None:
        """Return items per active second, or None where nothing was counted."""
        return _rate(self.num_items, self.active_s)

    @property
    def bytes_per_s(self) -> float | None:
        """Return bytes per active second, or None where nothing was counted."""
        return _rate(self.num_bytes, self.active_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageProfile:
    """Say what one stage cost."""

    name: str
    wall_s: float
    share: float
    """Of the run's wall time, 0 to 1."""
    num_items: int
    num_bytes: int
    operators: list[OperatorProfile]
    """In the order in which they first started."""

    @property
    def items_per_s(self) -> float | None:
        """Return items per second of wall time, or None where nothing was counted."""
        return _rate(self.num_items, self.wall_s)

    @property
    def bytes_per_s(self) -> float | None:
        """Return bytes per second of wall time, or None where nothing was counted."""
        return _rate(self.num_bytes, self.wall_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Say where the time of one run went."""

    wall_s: float
    """As long as somebody waited; of a run that made no report, from first to last span."""
    between_s: float
    """Of this, outside all stages: Prefect's own work between them."""
    num_cores: int
    stages: list[StageProfile]
    """In the order in which they first started."""
    verdict: str
    """One sentence for people: what a faster run would have to speed up."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, rates included."""
        plain = asdict(self)
        for shown, stage in zip(plain["stages"], self.stages, strict=True):
            shown |= {"items_per_s": stage.items_per_s, "bytes_per_s": stage.bytes_per_s}
            for row, operator in zip(shown["operators"], stage.operators, strict=True):
                row |= {"items_per_s": operator.items_per_s, "bytes_per_s": operator.bytes_per_s}
        return plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """Compare one stage, or one operator of it, in two runs; None where a run lacks it."""

    stage: str
    operator: str
    """Empty for the stage itself."""
    seconds: float | None
    """Wall time of a stage, busy time of an operator."""
    earlier_seconds: float | None
    items_per_s: float | None
    earlier_items_per_s: float | None

    @property
    def speedup(self) -> float | None:
        """Return how many times the earlier items/s, or None where either counted none."""
        if self.items_per_s is None or self.earlier_items_per_s is None:
            return None
        return self.items_per_s / self.earlier_items_per_s

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self) | {"speedup": self.speedup}


def summarise(spans: list[Span], num_cores: int, wall_s: float | None = None) -> Profile:
    """Return where the time went; no spans give an empty profile.

    Args:
        spans: of one run.
        num_cores: of the machine.
        wall_s: what the run took in all; None: from its first span's start to its last one's end.
    """
    started = sorted(spans, key=lambda span: span.started_s)
    spanned_s = max(map(_end, started)) - started[0].started_s if started else 0.0
    wall_s = spanned_s if wall_s is None else wall_s
    stages = [
        _stage(name, members, wall_s) for name, members in _grouped(started, key="stage").items()
    ]
    return Profile(
        wall_s=wall_s,
        between_s=max(wall_s - _open_s(started), 0.0),
        num_cores=num_cores,
        stages=stages,
        verdict=_verdict(stages, num_cores),
    )


def compare(profile: Profile, earlier: Profile) -> list[Ratio]:
    """Return a Ratio for every stage and operator that either run has."""
    rows, earlier_rows = _by_key(profile), _by_key(earlier)
    return [
        _ratio(key, rows.get(key), earlier_rows.get(key))
        for key in dict.fromkeys([*rows, *earlier_rows])
    ]


def _stage(name: str, spans: list[Span], run_wall_s: float) -> StageProfile:
    own = [span for span in spans if not span.operator]
    wall_s = _open_s(own or spans)
    operators = [
        _operator(operator, members, wall_s)
        for operator, members in _grouped(spans, key="operator").items()
        if operator
    ]
    # A stage that did not count is as large as the operator through which most of it passed.
    return StageProfile(
        name=name,
        wall_s=wall_s,
        share=_share(wall_s, run_wall_s),
        num_items=_items(own) or max((o.num_items for o in operators), default=0),
        num_bytes=_bytes(own) or max((o.num_bytes for o in operators), default=0),
        operators=operators,
    )


def _operator(name: str, spans: list[Span], stage_wall_s: float) -> OperatorProfile:
    active_s = _open_s(spans)
    return OperatorProfile(
        name=name,
        num_calls=len(spans),
        busy_s=sum(span.wall_s for span in spans),
        active_s=active_s,
        utilisation=_share(active_s, stage_wall_s),
        num_items=_items(spans),
        num_bytes=_bytes(spans),
    )


def _verdict(stages: list[StageProfile], num_cores: int) -> str:
    longest = max(stages, key=lambda stage: stage.wall_s, default=None)
    if longest is None or longest.wall_s == 0:
        return "nothing was timed"
    where = f"{longest.name} is {percent(longest.share)} of the run"
    if not longest.operators:
        return f"{_bound(longest.name)}: {where}"
    busiest = max(longest.operators, key=lambda operator: operator.utilisation)
    used = f"busy {percent(busiest.utilisation)} of the {longest.name} stage"
    if busiest.utilisation < _BOUND_SHARE:
        return f"waiting-bound: even {busiest.name}, the busiest, is {used}; {where}"
    cores = busiest.busy_s / busiest.active_s
    return (
        f"{_bound(busiest.name)}: {busiest.name} {used}, "
        f"{cores:.1f} calls at once on {num_cores} cores; {where}"
    )


def _bound(name: str) -> str:
    return _BOUND_BY.get(name, f"{name}-bound")


def _by_key(profile: Profile) -> dict[tuple[str, str], StageProfile | OperatorProfile]:
    rows: dict[tuple[str, str], StageProfile | OperatorProfile] = {}
    for stage in profile.stages:
        rows[stage.name, ""] = stage
        rows |= {(stage.name, operator.name): operator for operator in stage.operators}
    return rows


def _ratio(
    key: tuple[str, str],
    row: StageProfile | OperatorProfile | None,
    earlier: StageProfile | OperatorProfile | None,
) -> Ratio:
    return Ratio(
        stage=key[0],
        operator=key[1],
        seconds=_seconds(row),
        earlier_seconds=_seconds(earlier),
        items_per_s=row.items_per_s if row else None,
        earlier_items_per_s=earlier.items_per_s if earlier else None,
    )


def _seconds(row: StageProfile | OperatorProfile | None) -> float | None:
    if row is None:
        return None
    return row.wall_s if isinstance(row, StageProfile) else row.busy_s


def _grouped(spans: Iterable[Span], key: str) -> dict[str, list[Span]]:
    groups: defaultdict[str, list[Span]] = defaultdict(list)
    for span in spans:
        groups[getattr(span, key)].append(span)
    return dict(groups)


def _open_s(spans: list[Span]) -> float:
    """Return the length of the union of the spans, which come sorted by start."""
    total = 0.0
    reached = float("-inf")
    for span in spans:
        end = _end(span)
        total += max(0.0, end - max(span.started_s, reached))
        reached = max(reached, end)
    return total


def _end(span: Span) -> float:
    return span.started_s + span.wall_s


def _items(spans: list[Span]) -> int:
    return sum(span.num_items for span in spans)


def _bytes(spans: list[Span]) -> int:
    return sum(span.num_bytes for span in spans)


def _rate(amount: int, seconds: float) -> float | None:
    return amount / seconds if amount and seconds > 0 else None


def _share(part_s: float, whole_s: float) -> float:
    return min(part_s / whole_s, 1.0) if whole_s > 0 else 0.0
