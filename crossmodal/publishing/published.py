"""Tell what was published where, and how far each store is behind the collection.

Asks the ledger and no store: what somebody else did to a store, a publication finds out.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb

from crossmodal.errors import PathError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read import publishable
from crossmodal.ledger.write import model_versions, publications
from crossmodal.ledger.write.publications import KnownStore, PublicationRecord
from crossmodal.publishing.address import parse_address
from crossmodal.records import ModelVersion
from crossmodal.views.human import human_seconds
from crossmodal.views.text_table import TextTable

NUM_LISTED = 20
_STORE = ("store", "last published (UTC)", "rows", "new", "changed", "gone")
_PUBLICATION = ("", "run", "to", "started (UTC)", "state", "took", "sent", "removed", "rows")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreState:
    """Say what a store holds and lacks, as far as the ledger knows."""

    address: str
    published_at: datetime | None
    """When the last publication that ended well did so; None: there was none."""
    num_rows: int
    num_new: int
    """Rows that it lacks."""
    num_changed: int
    num_gone: int
    """Rows that it should not hold any more."""

    @property
    def num_behind(self) -> int:
        """Return how many rows the next publication would write or remove."""
        return self.num_new + self.num_changed + self.num_gone


@dataclass(frozen=True, slots=True)
class Published:
    """Hold the stores of a collection by address, and its latest publications, latest first."""

    stores: list[StoreState]
    publications: list[PublicationRecord]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        stores = [asdict(store) | {"num_behind": store.num_behind} for store in self.stores]
        return {"stores": stores, "publications": [asdict(each) for each in self.publications]}

    def to_tables(self) -> list[TextTable]:
        """Return a row a store, and a row a publication."""
        title = "stores, and what they lack" if self.stores else "nothing was published yet"
        stores = [_store_row(store) for store in self.stores]
        tables = [TextTable(title, _STORE, stores, num_words=2)]
        if self.publications:
            rows = [_publication_row(each) for each in self.publications]
            tables.append(TextTable("publications", _PUBLICATION, rows, num_words=5))
        return tables


def published(collection: Collection, to: str = "", limit: int = NUM_LISTED) -> Published:
    """Return what was published, to one store or, without an address, to all of them.

    What a store lacks is counted as a publication plans it: for the versions that searches use
    and those of which the store holds rows.

    Raises:
        CollectionMissing: there is no collection.
        PathError: nothing was published to this address.
    """
    address = parse_address(to).text if to else ""
    with collection.read() as con:
        known = publications.known_stores(con)
        stores = [store for store in known if address in ("", store.address)]
        if address and not stores:
            told = ", ".join(store.address for store in known) or "nowhere"
            raise PathError(f"nothing was published to {address}: published was to {told}")
        records = publications.publications(con, limit, address)
        return Published([_state(con, store) for store in stores], records)


def _state(con: duckdb.DuckDBPyConnection, store: KnownStore) -> StoreState:
    lineup = model_versions.live(con)
    versions = {version.id: version for version in model_versions.all_versions(con)}
    serving = {version.id for version in lineup.versions} if lineup else set()
    wanted: list[ModelVersion] = [
        version for number, version in versions.items() if number in serving | store.rows.keys()
    ]
    found = [publishable.changes(con, store.store_id, version) for version in wanted]
    given_up = sum(num for number, num in store.rows.items() if number not in versions)
    return StoreState(
        address=store.address,
        published_at=store.published_at,
        num_rows=sum(store.rows.values()),
        num_new=sum(len(each.new) for each in found),
        num_changed=sum(len(each.changed) for each in found),
        num_gone=sum(len(each.gone) for each in found) + given_up,
    )


def _store_row(store: StoreState) -> tuple[str, ...]:
    counts = (store.num_rows, store.num_new, store.num_changed, store.num_gone)
    return (store.address, _at(store.published_at), *(f"{count:,}" for count in counts))


def _publication_row(each: PublicationRecord) -> tuple[str, ...]:
    took = (each.finished_at - each.started_at).total_seconds() if each.finished_at else None
    counts = (each.counts.get(name) for name in ("num_sent", "num_removed", "num_rows"))
    return (
        str(each.generation),
        each.run_id[:8],
        each.address,
        _at(each.started_at),
        each.state,
        human_seconds(took) if took is not None else "-",
        *("-" if count is None else f"{count:,}" for count in counts),
    )


def _at(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}" if moment else "never"
