"""Remember the perceptual hash of each picture's content, so that none is decoded twice.

Owns the table; how a hash is made is the caller's business. A content without a hash of its own, as
a plain colour or what cannot be decoded, is remembered too, as NULL.
"""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import pyarrow as pa

from crossmodal.ledger.sql import registered

_UNHASHED = """
SELECT s.content_hash, min(s.uri) FROM source s
JOIN chunk c ON c.content_hash = s.content_hash AND c.kind = 'image'
WHERE NOT EXISTS (SELECT 1 FROM picture_hash p WHERE p.content_hash = s.content_hash)
GROUP BY s.content_hash ORDER BY min(s.uri)
"""


def unhashed(con: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Return the content hash and a source of every picture that was not looked at yet."""
    return [(str(content), str(uri)) for content, uri in con.execute(_UNHASHED).fetchall()]


def remember_hashes(con: duckdb.DuckDBPyConnection, found: Mapping[str, int | None]) -> None:
    """Keep the 64 bits of each content, or that it has none."""
    rows = pa.table(
        {
            "content_hash": pa.array(found.keys(), pa.string()),
            "bits": pa.array(found.values(), pa.uint64()),
        }
    )
    with registered(con, hashed=rows):
        con.execute("INSERT OR REPLACE INTO picture_hash SELECT content_hash, bits FROM hashed")


def picture_hashes(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Return the 64 bits of each picture that a source still holds, by content hash."""
    rows = con.execute(
        "SELECT content_hash, bits FROM picture_hash p WHERE bits IS NOT NULL "
        "AND EXISTS (SELECT 1 FROM source s WHERE s.content_hash = p.content_hash)"
    ).fetchall()
    return {str(content): int(bits) for content, bits in rows}
