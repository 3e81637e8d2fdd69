"""Publish to Lance datasets below a folder or a bucket's key, as LanceDB keeps its tables.

Each write is one commit of the dataset: a reader sees all of it or nothing. What was replaced or
removed stays readable for those who have the dataset open, for RETENTION at most after the next
publication.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import lance
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from crossmodal.errors import StoreAway, StoreError, StoreTaken
from crossmodal.publishing.address import Address
from crossmodal.publishing.stores.store import STATE, Ids, StoredTable, row_schema

RETENTION = timedelta(hours=1)
_WORTHWHILE = 0.1
"""Of a fragment's rows, those that were replaced before it is written anew."""
_NONE = pa.table({"chunk_id": pa.array([], pa.int64()), "digest": pa.array([], pa.int64())})
_STATE_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("name", "collection_id", "collection", "model")),
        ("space", pa.string()),
        ("dim", pa.int32()),
        ("serves", pa.list_(pa.string())),
        ("state", pa.string()),
        ("written_by", pa.string()),
        ("generation", pa.int64()),
        ("num_rows", pa.int64()),
        ("published_at", pa.string()),
    ]
)
_AWAY = ("error sending request", "dns error", "timed out", "connection refused", "connect error")
_DENIED = ("permission denied", "403 forbidden", "accessdenied", "access denied", "credential")
_IN_RUST = re.compile(r",? /\S+\.rs:\d+:\d+")
"""Where in Lance's own source an error arose, which helps nobody here."""
_FULL = ("no space left", "quota exceeded", "os error 28")


class LanceStore:
    """Keep each table in ``FOLDER/NAME.lance``."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._options = _storage_options(address.place)
        self._thinned: set[str] = set()
        """Tables from which rows were removed, which their files still hold."""

    def tables(self) -> list[StoredTable]:
        """Return what the table of tables says."""
        with self._explained():
            found = self._dataset(STATE)
            rows = found.to_table().to_pylist() if found else []
        return [StoredTable.of(row) for row in rows]

    def mark(self, tables: list[StoredTable]) -> None:
        """Replace what the table of tables says, in one commit."""
        rows = pa.Table.from_pylist([table.plain() for table in tables], schema=_STATE_SCHEMA)
        with self._explained():
            mode = "create" if self._dataset(STATE) is None else "overwrite"
            lance.write_dataset(rows, self._uri(STATE), mode=mode, storage_options=self._options)

    def make(self, name: str, dim: int) -> None:
        """Make a table unless it is there."""
        with self._explained():
            found = self._dataset(name)
            if found is None:
                empty = row_schema(dim).empty_table()
                lance.write_dataset(empty, self._uri(name), storage_options=self._options)
                return
        vector = found.schema.field("vector").type if "vector" in found.schema.names else None
        if vector != pa.list_(pa.float32(), dim):
            raise StoreTaken(
                f"{self._uri(name)} holds {vector or 'no vectors'}, not vectors of {dim} "
                "dimensions: move it away, or publish to another folder"
            )

    def put(self, name: str, rows: pa.Table) -> None:
        """Merge rows into a table by their chunk, in one commit."""
        with self._explained():
            merge = self._needed(name).merge_insert("chunk_id")
            merge.when_matched_update_all().when_not_matched_insert_all().execute(rows)

    def remove(self, name: str, chunk_ids: Ids) -> None:
        """Delete rows in one commit."""
        with self._explained():
            self._needed(name).delete(_among(chunk_ids))
        self._thinned.add(name)

    def count(self, name: str) -> int:
        """Return how many rows there are."""
        with self._explained():
            found = self._dataset(name)
            return int(found.count_rows()) if found else 0

    def digests(self, name: str) -> pa.Table:
        """Return the digests of all rows."""
        with self._explained():
            found = self._dataset(name)
            return found.to_table(columns=["chunk_id", "digest"]) if found else _NONE

    def vectors(self, name: str, chunk_ids: Ids) -> dict[int, npt.NDArray[np.float32]]:
        """Return the vectors of chunks."""
        if not len(chunk_ids):
            return {}
        with self._explained():
            columns = ["chunk_id", "vector"]
            found = self._needed(name).to_table(columns=columns, filter=_among(chunk_ids))
        vectors = found["vector"].combine_chunks()
        table = vectors.flatten().to_numpy().reshape(len(found), -1)
        return dict(zip(found["chunk_id"].to_pylist(), table, strict=True))

    def drop(self, name: str) -> None:
        """Delete a table with its folder."""
        with self._explained():
            if self._dataset(name) is not None:
                lance.LanceDataset.drop(self._uri(name), storage_options=self._options)

    def settle(self) -> None:
        """Write small fragments, and those with removed rows, anew; delete what nobody reads."""
        with self._explained():
            for name in (STATE, *(table.name for table in self.tables())):
                found = self._dataset(name)
                if found is not None:
                    share = 0.0 if name in self._thinned else _WORTHWHILE
                    found.optimize.compact_files(materialize_deletions_threshold=share)
                    found.cleanup_old_versions(older_than=RETENTION)

    def close(self) -> None:
        """Do nothing: no connection is held."""

    def _uri(self, name: str) -> str:
        return f"{self._address.place}/{name}.lance"

    def _dataset(self, name: str) -> Any:
        try:
            return lance.dataset(self._uri(name), storage_options=self._options)
        except (ValueError, FileNotFoundError) as error:
            if "not found" in str(error).lower():
                return None
            raise

    def _needed(self, name: str) -> Any:
        found = self._dataset(name)
        if found is None:
            raise StoreError(
                f"{self._uri(name)} is gone while it was published to: publish again, which sends "
                "all of it"
            )
        return found

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Raise what Lance says in our own words."""
        try:
            yield
        except (OSError, ValueError, RuntimeError) as error:
            raise self._error(str(error)) from error

    def _error(self, said: str) -> StoreError:
        where, lowered = self._address.text, said.lower()
        line = _IN_RUST.sub("", " ".join(said.split()))[:300]
        if any(words in lowered for words in _FULL):
            return StoreError(
                f"{where} is full ({line}): free some space and publish again; what is there stays"
            )
        if any(words in lowered for words in _DENIED):
            return StoreError(
                f"{where} may not be written ({line}): give this user the right to write there, or "
                "for a bucket set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
        if any(words in lowered for words in _AWAY):
            return StoreAway(f"{where} does not answer ({line}): check the network, then again")
        return StoreError(f"{where} cannot be written ({line}): mend it, or name another folder")


def open_at(address: Address) -> LanceStore:
    """Return the store below a folder or a key; nothing is written yet."""
    return LanceStore(address)


def _storage_options(place: str) -> dict[str, str] | None:
    """Return what the environment says of a bucket's server, under the names that Lance knows."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if not place.startswith("s3://") or not endpoint:
        return None
    options = {"aws_endpoint": endpoint, "allow_http": str(endpoint.startswith("http:")).lower()}
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return options | ({"aws_region": region} if region else {})


def _among(chunk_ids: Sequence[int] | Ids) -> str:
    return f"chunk_id IN ({', '.join(str(int(number)) for number in chunk_ids)})"
