"""Read what was measured of pictures as they were decoded."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import pyarrow as pa

from crossmodal.ledger.sql import one_number

_MEASURED = """
WITH picture AS (
    SELECT content_hash, TRY_CAST(json_extract(meta, '$.width') AS DOUBLE) AS width,
        TRY_CAST(json_extract(meta, '$.height') AS DOUBLE) AS height,
        json_transform(json_extract(meta, '$.quality'), '{"dark_end": "DOUBLE",
            "bright_end": "DOUBLE", "sharpness": "DOUBLE", "contrast": "DOUBLE",
            "entropy": "DOUBLE", "is_grey": "BOOLEAN"}') AS quality
    FROM chunk WHERE kind = 'image' AND ($run_id = '' OR run_id = $run_id)
        AND json_extract(meta, '$.quality') IS NOT NULL)
SELECT content_hash, width, height, quality.dark_end, quality.bright_end, quality.sharpness,
    quality.contrast, quality.entropy, quality.is_grey::DOUBLE AS is_grey
FROM picture WHERE width > 0 AND height > 0 ORDER BY content_hash
"""
_PICTURES = "SELECT count(*) FROM chunk WHERE kind = 'image' AND ($run_id = '' OR run_id = $run_id)"
_PLACES = """
SELECT content_hash, min(uri) FROM source
WHERE content_hash IN (SELECT unnest($hashes::VARCHAR[])) GROUP BY content_hash
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """Hold how many pictures have one thing wrong with them, and some that do."""

    which: str
    """Those are counted, in words."""
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PictureCheck:
    """Tell how pictures were taken."""

    num_measured: int
    num_not_measured: int
    """Indexed before pictures were measured."""
    issues: dict[str, Issue]
    """By name, all that there are; empty where nothing was measured."""

    def sentence(self) -> str:
        """Return which issues there are in one line; empty for none."""
        found = [f"{issue.count:,} {name}" for name, issue in self.issues.items() if issue.count]
        return f"of {self.num_measured:,} pictures {', '.join(found)}" if found else ""


def measured_pictures(con: duckdb.DuckDBPyConnection, run_id: str = "") -> pa.Table:
    """Return a row for each picture file that was measured, or each of those that a run added.

    Columns: ``content_hash``, ``width`` and ``height`` in pixels, and what
    ``crossmodal.pictures.quality.Quality`` holds, all float64.
    """
    return con.sql(_MEASURED, params={"run_id": run_id}).to_arrow_table()


def num_pictures(con: duckdb.DuckDBPyConnection, run_id: str = "") -> int:
    """Return the number of picture files, measured or not."""
    return one_number(con, _PICTURES, {"run_id": run_id})


def places_of(con: duckdb.DuckDBPyConnection, hashes: list[str]) -> dict[str, str]:
    """Return a source that has each content, by content hash."""
    return dict(con.execute(_PLACES, {"hashes": hashes}).fetchall())
