"""Search every list of a query and merge what they find, as deep as the page that is asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from crossmodal.ledger.read.filters import Where
from crossmodal.records import Hit
from crossmodal.search.fusion import best_of_each_source, fuse
from crossmodal.search.options import QueryOptions
from crossmodal.vectors.search import SearchRequest, answer

if TYPE_CHECKING:
    import duckdb

    from crossmodal.search.lists import QueryVectors
    from crossmodal.vectors.ann.cache import CodesFolder

_GROUP_DEPTH = 4
# Deep enough that the first pages of an answer are all cut from the same lists.
_MIN_DEPTH = 100


class Page(NamedTuple):
    """Hold the hits of a page, and what a person should know of how they were found."""

    hits: list[Hit]
    notices: list[str]


def merged(
    con: duckdb.DuckDBPyConnection,
    vectors: QueryVectors,
    options: QueryOptions,
    where: Where | None,
    codes: CodesFolder,
) -> Page:
    """Return the hits of the page, numbered from the offset on.

    Grouped by source the lists are read deeper, until there are enough sources or no more chunks.
    """
    end = options.offset + options.k
    depth = end if len(vectors) == 1 and not options.group else max(end * _GROUP_DEPTH, _MIN_DEPTH)
    while True:
        answers = [
            answer(con, SearchRequest(found, vector, k=depth, where=where), codes)
            for found, vector in vectors.items()
        ]
        hits = fuse([found.hits for found in answers])
        if options.group:
            hits = best_of_each_source(hits)
        if len(hits) >= end or all(len(found.hits) < depth for found in answers):
            shown = enumerate(hits[options.offset : end], options.offset + 1)
            notices = {found.notice.reason: None for found in answers if found.notice.reason}
            return Page([replace(hit, rank=rank) for rank, hit in shown], list(notices))
        depth *= _GROUP_DEPTH
