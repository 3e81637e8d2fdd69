"""Publish to Qdrant: a collection of points a model version, their ids being the chunks'.

``qdrant:///FOLDER`` is the client's local mode; ``qdrant://HOST:6333/PREFIX`` asks a server by the
same client, whose key is QDRANT_API_KEY. All names begin with the prefix, ``crossmodal`` unless
the address says another.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException

from crossmodal.errors import StoreAway, StoreError, StoreTaken
from crossmodal.publishing.address import Address
from crossmodal.publishing.stores.store import STATE, Ids, StoredTable

DEFAULT_PREFIX = "crossmodal"
_PATIENCE_S = 60
# A server takes 32 MB a request, and a vector is text on its way.
_POINTS = 256
_PAGE = 10_000


class QdrantStore:
    """Keep each table in a collection of Qdrant's."""

    def __init__(self, address: Address) -> None:
        self._text = address.text
        self._prefix, self._is_local = DEFAULT_PREFIX, address.is_local
        with self._explained():
            self._client = self._connect(address)
            self._client.get_collections()

    def tables(self) -> list[StoredTable]:
        """Return what the points of the table of tables say."""
        with self._explained():
            if not self._client.collection_exists(self._named(STATE)):
                return []
            points, _ = self._client.scroll(self._named(STATE), limit=_PAGE, with_payload=True)
        return [StoredTable.of(point.payload) for point in points]

    def mark(self, tables: list[StoredTable]) -> None:
        """Replace what the table of tables says: first what is there, then what went."""
        state = self._named(STATE)
        points = [
            models.PointStruct(id=number, vector=[1.0], payload=table.plain())
            for number, table in enumerate(tables)
        ]
        with self._explained():
            self._make(state, 1)
            if points:
                self._client.upsert(state, points=points, wait=True)
            known, _ = self._client.scroll(state, limit=_PAGE, with_payload=False)
            gone = [point.id for point in known if point.id >= len(points)]
            if gone:
                self._client.delete(state, points_selector=gone, wait=True)

    def make(self, name: str, dim: int) -> None:
        """Make a collection unless it is there."""
        with self._explained():
            self._make(self._named(name), dim)
            found = self._client.get_collection(self._named(name)).config.params.vectors
        size = getattr(found, "size", None)
        if size != dim:
            raise StoreTaken(
                f"{self._text}: the collection {self._named(name)} holds vectors of {size} "
                f"dimensions, not {dim}: delete it, or publish under another prefix"
            )

    def put(self, name: str, rows: pa.Table) -> None:
        """Write points over those of the same chunks, some at a time."""
        for start in range(0, rows.num_rows, _POINTS):
            part = rows.slice(start, _POINTS)
            values = part["vector"].combine_chunks()
            vectors = values.flatten().to_numpy().reshape(part.num_rows, -1)
            payloads = [_payload(row) for row in part.drop_columns(["vector"]).to_pylist()]
            batch = models.Batch(
                ids=part["chunk_id"].to_pylist(), vectors=vectors.tolist(), payloads=payloads
            )
            with self._explained():
                self._client.upsert(self._named(name), points=batch, wait=True)

    def remove(self, name: str, chunk_ids: Ids) -> None:
        """Delete points."""
        with self._explained():
            self._client.delete(self._named(name), points_selector=chunk_ids.tolist(), wait=True)

    def count(self, name: str) -> int:
        """Return how many points there are."""
        with self._explained():
            if not self._client.collection_exists(self._named(name)):
                return 0
            return int(self._client.count(self._named(name), exact=True).count)

    def digests(self, name: str) -> pa.Table:
        """Return the digests of all points."""
        found = dict(self._scrolled(name))
        return pa.table(
            {
                "chunk_id": pa.array(found.keys(), pa.int64()),
                "digest": pa.array(found.values(), pa.int64()),
            }
        )

    def vectors(self, name: str, chunk_ids: Ids) -> dict[int, npt.NDArray[np.float32]]:
        """Return the vectors of chunks."""
        with self._explained():
            points = self._client.retrieve(
                self._named(name), chunk_ids.tolist(), with_payload=False, with_vectors=True
            )
        return {int(point.id): np.asarray(point.vector, dtype=np.float32) for point in points}

    def drop(self, name: str) -> None:
        """Delete a collection of Qdrant's."""
        with self._explained():
            self._client.delete_collection(self._named(name))

    def settle(self) -> None:
        """Leave what points took to Qdrant's own optimiser."""

    def close(self) -> None:
        """Let go of the server or the folder."""
        with suppress(Exception):  # what went wrong before is what has to be told
            self._client.close()

    def _connect(self, address: Address) -> QdrantClient:
        if self._is_local:
            return QdrantClient(path=address.place)
        parts = urlsplit(address.text)
        self._prefix = parts.path.strip("/") or DEFAULT_PREFIX
        key = os.environ.get("QDRANT_API_KEY")
        https = parse_qs(parts.query).get("https", [""])[0].lower() in ("1", "true")
        return QdrantClient(
            host=parts.hostname,
            port=parts.port or 6333,
            https=https,
            api_key=key,
            timeout=_PATIENCE_S,
            check_compatibility=False,
        )

    def _named(self, name: str) -> str:
        return f"{self._prefix}_{name}"

    def _make(self, named: str, dim: int) -> None:
        if not self._client.collection_exists(named):
            shape = models.VectorParams(size=dim, distance=models.Distance.COSINE)
            self._client.create_collection(named, vectors_config=shape)

    def _scrolled(self, name: str) -> Iterator[tuple[int, int]]:
        with self._explained():
            if not self._client.collection_exists(self._named(name)):
                return
            after: Any = None
            while True:
                points, after = self._client.scroll(
                    self._named(name), limit=_PAGE, offset=after, with_payload=["digest"]
                )
                yield from ((int(point.id), int(point.payload["digest"])) for point in points)
                if after is None:
                    return

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Raise what Qdrant says in our own words."""
        try:
            yield
        except ResponseHandlingException as error:
            raise StoreAway(
                f"{self._text} does not answer ({_line(error)}): start it or check the address, "
                "then publish again"
            ) from error
        except ApiException as error:
            raise self._refused(error) from error
        except (RuntimeError, OSError, ValueError, sqlite3.Error) as error:  # the local mode's
            raise StoreError(
                f"{self._text} cannot be used ({_line(error)}): close the program that has it "
                "open, see to its disk and rights, or name another place"
            ) from error

    def _refused(self, error: ApiException) -> StoreError:
        status = getattr(error, "status_code", None)
        if status in (401, 403):
            return StoreError(f"{self._text} refuses this key ({status}): see to QDRANT_API_KEY")
        if status is not None and status >= 500:
            return StoreAway(f"{self._text} is in trouble ({_line(error)}): publish again later")
        return StoreError(f"{self._text} refused a request ({_line(error)})")


def open_at(address: Address) -> QdrantStore:
    """Return the store of a server, or of a folder by the client's local mode."""
    return QdrantStore(address)


def _payload(row: dict[str, Any]) -> dict[str, Any]:
    changed = row.pop("modified_at")
    return row | {"modified_at": changed.isoformat() if changed else None}


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
