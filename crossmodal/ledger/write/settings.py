"""Keep what a collection remembers of how it is made, beside its models: the rules of cutting."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import duckdb

from crossmodal.ledger.sql import first_row

_CUTTING = "cutting_rules"


def cutting_rules(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Return the rules that sources were last cut by; empty where no run has noted them yet."""
    row = first_row(con, "SELECT value FROM collection_setting WHERE key = ?", [_CUTTING])
    return dict(json.loads(row[0])) if row else {}


def remember_cutting_rules(con: duckdb.DuckDBPyConnection, rules: Mapping[str, Any]) -> None:
    """Note the rules that sources are cut by from now on."""
    con.execute(
        "INSERT INTO collection_setting VALUES (?, ?) "
        "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [_CUTTING, json.dumps(dict(rules))],
    )
