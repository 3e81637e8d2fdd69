"""Keep what was published where: which chunks a store holds, and each publication to it.

Owns the tables ``published_store``, ``published_chunk`` and ``publication``. A chunk stands in
``published_chunk`` once the store has it, by a digest of all that its row was made of; what a crash
leaves between the store and this is sent again, which changes nothing there. Invariant: an address
holds no password.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from crossmodal.errors import PublicationBusy
from crossmodal.ledger.sql import first_row, one_number, registered

_COLLECTION = "collection_id"
_AT_WORK = """
SELECT r.run_id, strftime(r.started_at, '%Y-%m-%d %H:%M'), r.host FROM publication p
JOIN run r USING (run_id)
WHERE p.store_id = $store AND p.finished_at IS NULL AND r.state = 'running' AND r.run_id <> $run
"""
_PUBLICATIONS = """
SELECT p.generation, p.run_id, s.address, coalesce(r.state, 'unknown'), p.watermark, p.counts,
    p.started_at, p.finished_at
FROM publication p JOIN published_store s USING (store_id) LEFT JOIN run r USING (run_id)
WHERE $address IN ('', s.address) ORDER BY p.generation DESC LIMIT $limit
"""
_STORES = """
SELECT s.store_id, s.address, (
    SELECT max(p.finished_at) FROM publication p WHERE p.store_id = s.store_id) AS published_at
FROM published_store s ORDER BY s.address
"""
_ROWS = "SELECT store_id, model_version_id, count(*) FROM published_chunk GROUP BY ALL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Hold what a publication goes by."""

    store_id: int
    collection_id: str
    generation: int
    """Of this publication among all of the collection."""
    written_by: str
    """The publication that last wrote to the store, as this collection knows it; empty: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownStore:
    """Say what the ledger knows of a store."""

    store_id: int
    address: str
    published_at: datetime | None
    """When the last publication that ended well did so."""
    rows: dict[int, int]
    """How many it holds, by the number of the model version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicationRecord:
    """Tell of one publication."""

    generation: int
    run_id: str
    address: str
    state: str
    """Of its run: running, completed, failed or interrupted."""
    watermark: int
    """The highest number of a vector that there was as it was planned."""
    counts: dict[str, Any]
    started_at: datetime
    finished_at: datetime | None


def open_publication(con: duckdb.DuckDBPyConnection, run_id: str, address: str) -> Opened:
    """Enter a publication to an address, which a collection does one at a time.

    Raises:
        PublicationBusy: another run publishes there.
    """
    store_id = _store_id(con, address)
    busy = first_row(con, _AT_WORK, {"store": store_id, "run": run_id})
    if busy:
        raise PublicationBusy(
            f"run {busy[0]} publishes to {address} since {busy[1]} on {busy[2]}: wait until it "
            "ends; what is left then, the next publication sends"
        )
    generation = one_number(
        con,
        "INSERT INTO publication (run_id, store_id, watermark, counts, started_at) "
        "VALUES (?, ?, 0, '{}', now()) RETURNING generation",
        [run_id, store_id],
    )
    written = first_row(
        con, "SELECT written_by FROM published_store WHERE store_id = ?", [store_id]
    )
    return Opened(
        store_id=store_id,
        collection_id=_collection_id(con),
        generation=generation,
        written_by=str(written[0]) if written else "",
    )


def close_publication(
    con: duckdb.DuckDBPyConnection, generation: int, watermark: int, counts: Mapping[str, Any]
) -> None:
    """Note what a publication sent; one that is never closed did not end well."""
    con.execute(
        "UPDATE publication SET watermark = ?, counts = ?, finished_at = now() "
        "WHERE generation = ?",
        [watermark, json.dumps(dict(counts)), generation],
    )


def note_writer(con: duckdb.DuckDBPyConnection, store_id: int, written_by: str) -> None:
    """Note which publication writes to a store from now on."""
    con.execute(
        "UPDATE published_store SET written_by = ? WHERE store_id = ?", [written_by, store_id]
    )


def note_sent(
    con: duckdb.DuckDBPyConnection, store_id: int, model_version_id: int, sent: pa.Table
) -> None:
    """Note that a store holds rows: ``sent`` has their ``chunk_id`` and ``digest``."""
    note_removed(con, store_id, model_version_id, sent["chunk_id"].to_numpy())
    with registered(con, sent=sent):
        con.execute(
            "INSERT INTO published_chunk SELECT ?, ?, chunk_id, digest FROM sent",
            [store_id, model_version_id],
        )


def note_removed(
    con: duckdb.DuckDBPyConnection,
    store_id: int,
    model_version_id: int,
    chunk_ids: npt.NDArray[np.int64],
) -> None:
    """Note that a store does not hold these chunks of a version any more."""
    con.execute(
        "DELETE FROM published_chunk WHERE store_id = $store AND model_version_id = $version "
        "AND chunk_id IN (SELECT unnest($ids::BIGINT[]))",
        {"store": store_id, "version": model_version_id, "ids": chunk_ids},
    )


def forget_table(con: duckdb.DuckDBPyConnection, store_id: int, model_version_id: int) -> None:
    """Note that a store holds nothing of a version."""
    con.execute(
        "DELETE FROM published_chunk WHERE store_id = ? AND model_version_id = ?",
        [store_id, model_version_id],
    )


def known_stores(con: duckdb.DuckDBPyConnection) -> list[KnownStore]:
    """Return every store that was ever published to, by address."""
    rows: dict[int, dict[int, int]] = {}
    for store_id, version, num in con.execute(_ROWS).fetchall():
        rows.setdefault(store_id, {})[version] = num
    return [
        KnownStore(store_id=number, address=address, published_at=at, rows=rows.get(number, {}))
        for number, address, at in con.execute(_STORES).fetchall()
    ]


def publications(
    con: duckdb.DuckDBPyConnection, limit: int, address: str = ""
) -> list[PublicationRecord]:
    """Return the latest publications, latest first: to one address, or all."""
    named = {"limit": limit, "address": address}
    return [
        PublicationRecord(
            generation=row[0],
            run_id=row[1],
            address=row[2],
            state=row[3],
            watermark=row[4],
            counts=json.loads(row[5]),
            started_at=row[6],
            finished_at=row[7],
        )
        for row in con.execute(_PUBLICATIONS, named).fetchall()
    ]


def _store_id(con: duckdb.DuckDBPyConnection, address: str) -> int:
    known = first_row(con, "SELECT store_id FROM published_store WHERE address = ?", [address])
    if known:
        return int(known[0])
    sql = "INSERT INTO published_store (address, written_by) VALUES (?, '') RETURNING store_id"
    return one_number(con, sql, [address])


def _collection_id(con: duckdb.DuckDBPyConnection) -> str:
    """Return the name by which stores know this collection, given at its first publication."""
    known = first_row(con, "SELECT value FROM collection_setting WHERE key = ?", [_COLLECTION])
    if known:
        return str(known[0])
    given = uuid.uuid4().hex
    con.execute("INSERT INTO collection_setting VALUES (?, ?)", [_COLLECTION, given])
    return given
