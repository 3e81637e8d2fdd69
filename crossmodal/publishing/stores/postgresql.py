"""Publish to PostgreSQL with pgvector: a schema for the collection, a table a model version.

Each write is one transaction. Indexes are the owner's: exact search needs none, and which
approximate one suits, and how much recall it may cost, is for who serves to say.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import numpy as np
import numpy.typing as npt
import psycopg
import pyarrow as pa
from pgvector.psycopg import register_vector
from psycopg import sql

from crossmodal.errors import StoreAway, StoreError, StoreTaken
from crossmodal.publishing.address import Address
from crossmodal.publishing.stores.store import STATE, Ids, StoredTable, row_schema

DEFAULT_SCHEMA = "crossmodal"
_PATIENCE_S = 10
_TYPES = {
    "chunk_id": "bigint PRIMARY KEY",
    "uri": "text",
    "uris": "text[]",
    "media_type": "text",
    "size_bytes": "bigint",
    "modified_at": "timestamptz",
    "modality": "text",
    "kind": "text",
    "ordinal": "integer",
    "section": "text",
    "place": "text",
    "meta": "jsonb",
    "text": "text",
    "labels": "text[]",
    "language": "text",
    "model": "text",
    "digest": "bigint",
}
# As rows travel: JSON as text, which the table then reads.
_SENT = {"chunk_id": "int8", "size_bytes": "int8", "ordinal": "int4", "digest": "int8"} | {
    "uris": "text[]",
    "labels": "text[]",
    "modified_at": "timestamptz",
    "vector": "vector",
}
_ABOUT_RIGHTS = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.InvalidAuthorizationSpecification,
)
_ABOUT_SPACE = (psycopg.errors.DiskFull, psycopg.errors.OutOfMemory)


class PostgresStore:
    """Keep each table in one schema of a database."""

    def __init__(self, address: Address) -> None:
        self._text = address.text
        dsn, self._schema = _split(address.text)
        with self._explained():
            self._con = psycopg.connect(dsn, autocommit=True, connect_timeout=_PATIENCE_S)
        try:
            with self._explained():
                self._prepare()
        except BaseException:
            self.close()
            raise

    def tables(self) -> list[StoredTable]:
        """Return what the table of tables says."""
        with self._explained():
            if not self._exists(STATE):
                return []
            rows = self._run("SELECT told FROM {table}", STATE).fetchall()
        return [StoredTable.of(row[0]) for row in rows]

    def mark(self, tables: list[StoredTable]) -> None:
        """Replace what the table of tables says, in one transaction."""
        with self._explained(), self._con.transaction(), self._con.cursor() as cursor:
            self._run(
                "CREATE TABLE IF NOT EXISTS {table} (name text PRIMARY KEY, told jsonb NOT NULL)",
                STATE,
            )
            self._run("DELETE FROM {table}", STATE)
            cursor.executemany(
                self._sql("INSERT INTO {table} VALUES (%s, %s)", STATE),
                [(table.name, json.dumps(table.plain())) for table in tables],
            )

    def make(self, name: str, dim: int) -> None:
        """Make a table unless it is there."""
        columns = ", ".join(f"{column} {kind}" for column, kind in _TYPES.items())
        with self._explained():
            self._run(
                f"CREATE TABLE IF NOT EXISTS {{table}} ({columns}, vector vector({dim}) NOT NULL)",
                name,
            )
            found = self._vector_type(name)
        if found != f"vector({dim})":
            raise StoreTaken(
                f"{self._text}: the table {self._schema}.{name} holds {found or 'no vectors'}, not "
                f"vectors of {dim} dimensions: drop it, or publish into another schema (?schema=)"
            )

    def put(self, name: str, rows: pa.Table) -> None:
        """Write rows over those of the same chunks, in one transaction."""
        names = rows.column_names
        sent = ", ".join(f"{column} {_SENT.get(column, 'text')}" for column in names)
        read = ", ".join("meta::jsonb" if column == "meta" else column for column in names)
        update = ", ".join(f"{column} = excluded.{column}" for column in names[1:])
        with self._explained(), self._con.transaction(), self._con.cursor() as cursor:
            cursor.execute(f"CREATE TEMP TABLE sent ({sent}) ON COMMIT DROP")
            with cursor.copy(f"COPY sent ({', '.join(names)}) FROM STDIN BINARY") as copy:
                copy.set_types([_SENT.get(column, "text") for column in names])
                for row in _rows(rows):
                    copy.write_row(row)
            self._run(
                f"INSERT INTO {{table}} ({', '.join(names)}) SELECT {read} FROM sent "
                f"ON CONFLICT (chunk_id) DO UPDATE SET {update}",
                name,
            )

    def remove(self, name: str, chunk_ids: Ids) -> None:
        """Delete rows in one transaction."""
        with self._explained():
            self._run("DELETE FROM {table} WHERE chunk_id = ANY(%s)", name, [chunk_ids.tolist()])

    def count(self, name: str) -> int:
        """Return how many rows there are."""
        with self._explained():
            if not self._exists(name):
                return 0
            return int(self._run("SELECT count(*) FROM {table}", name).fetchall()[0][0])

    def digests(self, name: str) -> pa.Table:
        """Return the digests of all rows."""
        with self._explained():
            there = self._exists(name)
            found = self._run("SELECT chunk_id, digest FROM {table}", name) if there else None
            rows = found.fetchall() if found else []
        schema = row_schema(1)
        ids, digests = zip(*rows, strict=True) if rows else ((), ())
        return pa.table(
            {"chunk_id": pa.array(ids, pa.int64()), "digest": pa.array(digests, pa.int64())},
            schema=pa.schema([schema.field("chunk_id"), schema.field("digest")]),
        )

    def vectors(self, name: str, chunk_ids: Ids) -> dict[int, npt.NDArray[np.float32]]:
        """Return the vectors of chunks."""
        with self._explained():
            rows = self._run(
                "SELECT chunk_id, vector FROM {table} WHERE chunk_id = ANY(%s)",
                name,
                [chunk_ids.tolist()],
            ).fetchall()
        return {chunk_id: vector.to_numpy() for chunk_id, vector in rows}

    def drop(self, name: str) -> None:
        """Delete a table."""
        with self._explained():
            self._run("DROP TABLE IF EXISTS {table}", name)

    def settle(self) -> None:
        """Leave what rows took to PostgreSQL's own vacuum."""

    def close(self) -> None:
        """Let go of the connection."""
        with suppress(psycopg.Error):
            self._con.close()

    def _prepare(self) -> None:
        """Make sure of pgvector and of the schema."""
        known = self._con.execute("SELECT 1 FROM pg_extension WHERE extname = 'vector'").fetchall()
        if not known:
            self._make_extension()
        register_vector(self._con)
        found = self._con.execute(
            "SELECT 1 FROM pg_namespace WHERE nspname = %s", [self._schema]
        ).fetchall()
        if not found:
            self._con.execute(
                sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(self._schema))
            )

    def _make_extension(self) -> None:
        try:
            self._con.execute("CREATE EXTENSION IF NOT EXISTS vector")
        except psycopg.Error as error:
            raise StoreError(
                f"{self._text} has no pgvector, and it cannot be made ({_line(error)}): have an "
                "administrator install pgvector there and run CREATE EXTENSION vector"
            ) from error

    def _exists(self, name: str) -> bool:
        found = self._con.execute(
            "SELECT 1 FROM pg_tables WHERE schemaname = %s AND tablename = %s", [self._schema, name]
        )
        return bool(found.fetchall())

    def _vector_type(self, name: str) -> str:
        found = self._con.execute(
            "SELECT format_type(a.atttypid, a.atttypmod) FROM pg_attribute a "
            "JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = %s AND c.relname = %s AND a.attname = 'vector'",
            [self._schema, name],
        ).fetchall()
        return str(found[0][0]).rpartition(".")[2] if found else ""

    def _sql(self, text: str, name: str) -> sql.Composed:
        return sql.SQL(text).format(table=sql.Identifier(self._schema, name))

    def _run(self, text: str, name: str, given: list[Any] | None = None) -> psycopg.Cursor[Any]:
        return self._con.execute(self._sql(text, name), given)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Raise what PostgreSQL says in our own words."""
        try:
            yield
        except _ABOUT_RIGHTS as error:
            raise StoreError(
                f"{self._text} refuses this user ({_line(error)}): grant CREATE on the database or "
                f"on the schema {self._schema}, and see to PGPASSWORD or ~/.pgpass"
            ) from error
        except _ABOUT_SPACE as error:
            raise StoreError(
                f"{self._text} is full ({_line(error)}): free some space and publish again; what "
                "is there stays"
            ) from error
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise self._away(error) from error
        except psycopg.Error as error:
            raise StoreError(f"{self._text} refused a statement ({_line(error)})") from error

    def _away(self, error: psycopg.Error) -> StoreError:
        said = _line(error)
        if any(words in said for words in ("does not exist", "authentication", "no password")):
            return StoreError(
                f"{self._text} does not let this user in ({said}): name another user or database, "
                "and see to PGPASSWORD or ~/.pgpass"
            )
        return StoreAway(
            f"{self._text} does not answer ({said}): start it or check the address, then publish "
            "again"
        )


def open_at(address: Address) -> PostgresStore:
    """Return the store in a database, its schema made where it is missing."""
    return PostgresStore(address)


def _split(address: str) -> tuple[str, str]:
    """Return the connection string for the driver, and the schema, which it does not know."""
    parts = urlsplit(address)
    given = parse_qsl(parts.query)
    kept = urlencode([(name, value) for name, value in given if name != "schema"])
    dsn = urlunsplit((parts.scheme, parts.netloc, parts.path, kept, ""))
    # urlunsplit drops the slashes of an address without a host.
    dsn = dsn if "://" in dsn else dsn.replace(":", "://", 1)
    return dsn, dict(given).get("schema", DEFAULT_SCHEMA)


def _rows(rows: pa.Table) -> Iterator[list[Any]]:
    """Yield rows as COPY takes them: vectors as arrays, texts without NUL."""
    plain = [_column(rows[name], name) for name in rows.column_names]
    return map(list, zip(*plain, strict=True))


def _column(column: pa.ChunkedArray, name: str) -> Any:
    if name == "vector":
        values = column.combine_chunks()
        return values.flatten().to_numpy().reshape(len(values), -1)
    found = column.to_pylist()
    if name == "meta":
        return [text.replace("\\u0000", "") for text in found]
    if pa.types.is_string(column.type):
        return [text.replace("\0", "") if text else text for text in found]
    return found


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
