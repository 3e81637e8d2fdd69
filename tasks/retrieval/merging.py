"""Search every list of a query and merge what they find, as deep as the page that is asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tasks.records import Hit
from tasks.retrieval.fusion import best_of_each_source, fuse
from tasks.retrieval.options import QueryOptions
from tasks.storage.filters import Where
from tasks.storage.search import SearchRequest, search

if TYPE_CHECKING:
    import duckdb

    from tasks.retrieval.lists import QueryVectors

_GROUP_DEPTH = 4
# Deep enough that the first pages of an answer are all cut from the same lists.
_MIN_DEPTH = 100


def merged(
    con: duckdb.DuckDBPyConnection,
    vectors: QueryVectors,
    options: QueryOptions,
    where: Where | None,
) -> list[Hit]:
    """Return the hits of the page, numbered from the offset on.

    Grouped by source the lists are read deeper, until there are enough sources or no more chunks.
    """
    end = options.offset + options.k
    depth = end if len(vectors) == 1 and not options.group else max(end * _GROUP_DEPTH, _MIN_DEPTH)
    while True:
        lists = [
            search(con, SearchRequest(found, vector, k=depth, where=where))
            for found, vector in vectors.items()
        ]
        hits = fuse(lists)
        if options.group:
            hits = best_of_each_source(hits)
        if len(hits) >= end or all(len(found) < depth for found in lists):
            page = hits[options.offset : end]
            return [replace(hit, rank=i) for i, hit in enumerate(page, options.offset + 1)]
        depth *= _GROUP_DEPTH
