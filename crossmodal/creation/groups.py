"""Put sources that are the same thing into groups around the one to keep.

Owns what a group is; which pairs are alike is found elsewhere. Invariant: in the order in which
items are given, none is dropped for one that comes after it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple, get_args

from crossmodal.creation.assets import shown_source
from crossmodal.errors import FilterError
from crossmodal.previews.contact_sheet import QueryRow
from crossmodal.records import Hit
from crossmodal.views.human import counted, human_bytes
from crossmodal.views.text_table import TextTable

How = Literal["content", "looks", "meaning"]
WAYS: tuple[How, ...] = get_args(How)

MAX_SHOWN = 100
"""Groups on a contact sheet."""

Pairs = Iterable[tuple[int, int, float]]
"""The numbers of two items that are alike, and how near they are, 0 to 1."""


class Item(NamedTuple):
    """Hold one source."""

    uri: str
    content_hash: str
    size_bytes: int
    chunk_id: int | None
    """Its chunk where it has one only."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Hold one source of a group that is not the one to keep."""

    uri: str
    size_bytes: int
    nearness: float
    """1 for the same content; of looks the share of equal bits, of meaning the cosine."""


@dataclass(frozen=True, slots=True)
class Group:
    """Hold a source to keep and those that are the same thing."""

    how: How
    keeper: str
    others: list[Duplicate]


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Hold all groups, the surest way first."""

    groups: list[Group]
    num_looked_at: int

    @property
    def spare_bytes(self) -> int:
        """Return what all but the keepers take."""
        return sum(each.size_bytes for group in self.groups for each in group.others)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self) | {"spare_bytes": self.spare_bytes}

    def to_rows(self) -> list[QueryRow]:
        """Return a row a group for a contact sheet, the keeper first."""
        return [
            QueryRow(f"same {group.how}", [shown_source(group.keeper, 1.0), *_others(group)])
            for group in self.groups[:MAX_SHOWN]
        ]

    def to_text_table(self) -> TextTable:
        """Return a table: a row a source, the keeper of a group first."""
        rows = [row for group in self.groups for row in _rows(group)]
        title = (
            f"{counted(len(self.groups), 'group')} among {counted(self.num_looked_at, 'source')}, "
            f"{human_bytes(self.spare_bytes)} to spare"
        )
        return TextTable(title, ("same by", "source", "nearness", "size"), rows, num_words=2)


def ways_named(names: Sequence[str]) -> tuple[How, ...]:
    """Return the ways of these names, in the order from the strictest on.

    Raises:
        FilterError: there is no such way.
    """
    unknown = sorted(set(names) - set(WAYS))
    if unknown or not names:
        raise FilterError(f"cannot compare by {unknown or 'nothing'}: choose of {', '.join(WAYS)}")
    return tuple(way for way in WAYS if way in names)


def same_content(items: Sequence[Item]) -> tuple[list[Group], list[Item]]:
    """Return the groups of one content, and the first item of each content."""
    by_content: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        by_content[item.content_hash].append(item)
    groups = [
        Group("content", first.uri, [Duplicate(e.uri, e.size_bytes, 1.0) for e in others])
        for first, *others in by_content.values()
        if others
    ]
    return groups, [same[0] for same in by_content.values()]


def grouped(how: How, items: Sequence[Item], pairs: Pairs) -> tuple[list[Group], list[Item]]:
    """Return the groups that pairs of the items make, and the items without those dropped."""
    near: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for one, other, nearness in pairs:
        near[min(one, other)].append((max(one, other), nearness))
    dropped: set[int] = set()
    groups = []
    for keeper in sorted(near):
        if keeper in dropped:
            continue
        others = sorted({n: near_ for n, near_ in near[keeper] if n not in dropped}.items())
        if others:
            dropped.update(number for number, _ in others)
            groups.append(
                Group(how, items[keeper].uri, [_duplicate(items[n], v) for n, v in others])
            )
    return groups, [item for number, item in enumerate(items) if number not in dropped]


def _duplicate(item: Item, nearness: float) -> Duplicate:
    return Duplicate(item.uri, item.size_bytes, round(nearness, 4))


def _others(group: Group) -> list[Hit]:
    return [shown_source(each.uri, each.nearness) for each in group.others]


def _rows(group: Group) -> list[tuple[str, str, str, str]]:
    return [
        (group.how, group.keeper, "keep", ""),
        *(("", e.uri, f"{e.nearness:.3f}", human_bytes(e.size_bytes)) for e in group.others),
    ]
