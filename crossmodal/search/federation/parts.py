"""Merge what several collections answered into one page, as if all their chunks lay in one.

A merit says how many chunks of its own list look as good to a generic question, so a short list
flatters its hits: each merit is told anew as of all the chunks of its modality that were searched,
n in place of n of the one collection. The order within a collection stays as it answered; where one
of them has no merits, all take turns. Owns the order; refuses to search.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from crossmodal.files.read import is_remote
from crossmodal.records import Hit
from crossmodal.search.answer import Answer
from crossmodal.search.federation.addresses import is_served
from crossmodal.search.merge import Page
from crossmodal.search.options import QueryOptions
from crossmodal.search.prose import DEMOTION, is_prose
from crossmodal.search.strength import LIKELY, least_merit, strength_of

TURNS = (
    "scores of these collections do not compare (words alone, or one is not calibrated yet), so "
    "their hits take turns"
)


class Part(NamedTuple):
    """Hold what one collection answered."""

    collection: str
    answer: Answer
    """From the first hit on."""
    sizes: Mapping[str, int]
    """How many vectors were searched, by modality."""


class _Placed(NamedTuple):
    """Order a hit among those of all collections; smallest first."""

    height: float
    collection: int
    place: int
    hit: Hit


def merge_parts(parts: Sequence[Part], options: QueryOptions) -> tuple[Page, bool]:
    """Return the page of what the collections found, and whether more hits of each would change it.

    Each part begins at the first hit and, unless it has no more, holds at least
    ``offset + k + 1`` of them.
    """
    filled = [part for part in parts if part.answer.hits]
    calibrated = all(hit.merit is not None for part in filled for hit in part.answer.hits[:1])
    totals = Counter[str]()
    for part in parts:
        totals.update(part.sizes)
    ways = [_placed(n, part, totals, calibrated) for n, part in enumerate(filled)]
    merged = [found.hit for found in heapq.merge(*ways)]
    least = least_merit(options.min_strength) if calibrated else -math.inf
    shown = [hit for hit in merged if hit.merit is None or hit.merit >= least]
    if options.group:
        shown = _once(shown)
    end = options.offset + options.k
    page = [replace(hit, rank=n) for n, hit in enumerate(shown[:end], 1)][options.offset :]
    stands_out = _stands_out(merged) if calibrated else None
    notices = (TURNS,) if not calibrated and len(filled) > 1 else ()
    is_short = len(shown) <= end and any(part.answer.has_more for part in filled)
    return Page(page, len(shown) > end, stands_out, notices), is_short


def _placed(
    number: int, part: Part, totals: Mapping[str, int], calibrated: bool
) -> Iterator[_Placed]:
    """Yield a collection's hits with where they stand, never higher than the one before."""
    height = math.inf
    for place, hit in enumerate(part.answer.hits):
        named = replace(hit, collection=part.collection)
        if not calibrated or hit.merit is None:
            plain = replace(named, merit=None, strength="")
            yield _Placed(place, number, place, plain)
            continue
        size = max(1, part.sizes.get(hit.modality, 1))
        merit = hit.merit - math.log(max(size, totals.get(hit.modality, 1)) / size)
        is_lower = hit.kind == "passage" and not is_prose(hit.text, hit.section)
        height = min(height, merit - DEMOTION * is_lower)
        told = replace(named, merit=merit, strength=strength_of(merit))
        yield _Placed(-height, number, place, told)


def _once(hits: Sequence[Hit]) -> list[Hit]:
    """Return the first hit of each source; a path of another machine is another source."""
    first: dict[tuple[str, str], Hit] = {}
    for hit in hits:
        is_elsewhere = is_served(hit.collection) and not is_remote(hit.uri)
        first.setdefault((hit.collection if is_elsewhere else "", hit.uri), hit)
    return list(first.values())


def _stands_out(merged: Sequence[Hit]) -> bool | None:
    return bool((merged[0].merit or 0) >= LIKELY) if merged else None
