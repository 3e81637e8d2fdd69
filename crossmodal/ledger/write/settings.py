"""Keep what a collection remembers beside its models: rules of cutting, and its rerankers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import duckdb

from crossmodal.ledger.sql import first_row

_CUTTING = "cutting_rules"
_RERANKERS = "rerankers"


def cutting_rules(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Return the rules that sources were last cut by; empty where no run has noted them yet."""
    return setting(con, _CUTTING)


def remember_cutting_rules(con: duckdb.DuckDBPyConnection, rules: Mapping[str, Any]) -> None:
    """Note the rules that sources are cut by from now on."""
    remember(con, _CUTTING, rules)


def rerankers(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Return by pair, such as text->passage, the reranker that won there and what showed it."""
    return setting(con, _RERANKERS)


def remember_rerankers(con: duckdb.DuckDBPyConnection, kept: Mapping[str, Any]) -> None:
    """Note which reranker orders the hits of which pair from now on."""
    remember(con, _RERANKERS, kept)


def setting(con: duckdb.DuckDBPyConnection, key: str) -> dict[str, Any]:
    """Return what is kept under a key; empty where nothing is."""
    row = first_row(con, "SELECT value FROM collection_setting WHERE key = ?", [key])
    return dict(json.loads(row[0])) if row else {}


def remember(con: duckdb.DuckDBPyConnection, key: str, value: Mapping[str, Any]) -> None:
    """Keep something under a key in place of what was there."""
    con.execute(
        "INSERT INTO collection_setting VALUES (?, ?) "
        "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [key, json.dumps(dict(value))],
    )
