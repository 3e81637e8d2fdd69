"""Say which planned rows another run has already done."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from crossmodal.ledger.sql import registered
from crossmodal.ledger.write.model_versions import embedded_sql
from crossmodal.records import Lineup

_PENDING = """
SELECT p.* FROM planned p
WHERE NOT EXISTS (
    SELECT 1 FROM source s WHERE s.uri = p.uri
        AND s.content_hash = p.content_hash AND s.mtime_ns = p.mtime_ns
) OR NOT EXISTS (
    SELECT 1 FROM chunk c LEFT JOIN {vectors} v ON v.chunk_id = c.chunk_id
    WHERE c.content_hash = p.content_hash AND c.chunker = p.chunker
    HAVING count(*) > 0 AND count(*) = count(v.chunk_id)
)
ORDER BY p.uri
"""


def still_pending(con: duckdb.DuckDBPyConnection, planned: pa.Table, lineup: Lineup) -> pa.Table:
    """Return the PLAN_SCHEMA rows whose source or whose vectors are not in the ledger yet."""
    sql = _PENDING.format(vectors=embedded_sql(lineup))
    with registered(con, planned=planned):
        rows: pa.Table = con.sql(sql).to_arrow_table()
    return rows.cast(planned.schema)
