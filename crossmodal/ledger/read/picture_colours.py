"""Read the colours of pictures as they were decoded; see ``crossmodal.pictures.colour_histogram``.

Pictures that were indexed before colours were kept have none.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import numpy as np
import numpy.typing as npt

from crossmodal.ledger.sql import among, among_contents

# What is no such string, as in a collection that somebody else wrote, is as good as none.
_COLOURS = "regexp_extract(json_extract_string(meta, '$.colours'), '^[0-9a-f]{32}$')"


def colours_of_chunks(
    con: duckdb.DuckDBPyConnection, chunk_ids: npt.NDArray[np.int64]
) -> dict[int, str]:
    """Return the colours of those of these chunks that have any, by chunk id."""
    condition, bound = among(chunk_ids)
    sql = f"SELECT chunk_id, {_COLOURS} FROM chunk WHERE {condition}"
    rows = con.execute(sql, bound).fetchall()
    return {chunk_id: colours for chunk_id, colours in rows if colours}


def colours_of_contents(con: duckdb.DuckDBPyConnection, hashes: Sequence[str]) -> dict[str, str]:
    """Return the colours of the pictures with these contents, by content hash."""
    condition, bound = among_contents(hashes)
    sql = f"SELECT content_hash, {_COLOURS} FROM chunk WHERE kind = 'image' AND {condition}"
    rows = con.execute(sql, bound).fetchall()
    return {content: colours for content, colours in rows if colours}
