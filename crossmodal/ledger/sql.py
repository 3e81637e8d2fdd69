"""Hand Arrow tables to SQL by name, and single rows and counts back to Python.

Never ``fetchone``: it leaves the result open, and DuckDB then refuses the next ``register``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb
import pyarrow as pa


@contextmanager
def registered(con: duckdb.DuckDBPyConnection, **tables: pa.Table) -> Iterator[None]:
    """Let SQL on ``con`` read the given tables under their keyword's name."""
    for name, table in tables.items():
        con.register(name, table)
    yield
    # Not after an error: in a lost transaction this fails too and would hide why it was lost.
    for name in tables:
        con.unregister(name)


Params = list[Any] | dict[str, Any] | None


def first_row(
    con: duckdb.DuckDBPyConnection, sql: str, params: Params = None
) -> tuple[Any, ...] | None:
    """Return the first row of a query; None where it has none."""
    rows: list[tuple[Any, ...]] = con.execute(sql, params).fetchall()
    return rows[0] if rows else None


def one_number(con: duckdb.DuckDBPyConnection, sql: str, params: Params = None) -> int:
    """Return the one number that a statement yields."""
    return int(con.execute(sql, params).fetchall()[0][0])
