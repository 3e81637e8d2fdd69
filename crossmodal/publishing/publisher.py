"""Bring a store in step with a collection: plan, send, verify.

The ledger remembers by digests what the store holds, so that only what changed is looked for in
DuckDB and nothing is asked of the store. Where the store was not left by the publication that the
ledger remembers (a copy of the collection published, one of the two was restored), or where that
was broken off, its own digests are read first. What is hidden or gone leaves before anything is
added, and the line-up changes only once its tables are full and verified. No connection to DuckDB
is held while rows travel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import duckdb
import numpy as np
import pyarrow as pa

from crossmodal.errors import CollectionEmpty, StoreAway, StoreError, StoreTaken
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.private import as_private_as
from crossmodal.ledger.read import publishable
from crossmodal.ledger.read.publishable import Changes, Ids
from crossmodal.ledger.write import model_versions, publications
from crossmodal.ledger.write.publications import Opened
from crossmodal.models.retire import one_version
from crossmodal.publishing.address import Address, parse_address
from crossmodal.publishing.options import PublishOptions
from crossmodal.publishing.publication import Publication, Sent
from crossmodal.publishing.rows import sent_rows
from crossmodal.publishing.stores.open import open_store
from crossmodal.publishing.stores.store import Store, StoredTable, table_name
from crossmodal.records import Lineup, ModelVersion

BATCH_ROWS = 4096
NUM_SAMPLED = 20
_TOLERANCE = 1e-4
"""Of a component of a unit vector; a store may normalise it once more."""

Advance = Callable[[int], None]


@dataclass(slots=True, kw_only=True)
class Table:
    """Hold what becomes of one table."""

    version: ModelVersion
    changes: Changes
    sent: Sent

    @property
    def name(self) -> str:
        """Return what the store calls it."""
        return self.sent.table

    @property
    def version_id(self) -> int:
        """Return the ledger's number of its version."""
        assert self.version.id is not None
        return self.version.id


@dataclass(slots=True, kw_only=True)
class PublicationPlan:
    """Say what a publication has to do."""

    tables: list[Table]
    dropped: list[StoredTable]
    watermark: int
    is_noted: bool = False
    """Whether the store says already what it should of itself."""

    @property
    def num_rows(self) -> int:
        """Return how many rows are written or removed."""
        return sum(len(table.changes.put) + len(table.changes.gone) for table in self.tables)

    @property
    def is_empty(self) -> bool:
        """Say whether the store is as it should be."""
        return self.is_noted and not self.num_rows and not self.dropped


@dataclass(slots=True)
class Publisher:
    """Publish a collection to one store as one run; open it by ``publishing``."""

    collection: Collection
    options: PublishOptions
    run_id: str
    address: Address
    opened: Opened
    publication: Publication
    _store: Store | None = field(default=None, repr=False)

    def plan(self) -> PublicationPlan:
        """Return what has to be done, after a look at what the store says of itself.

        Raises:
            CollectionEmpty: there is no vector to publish.
            StoreTaken: the store holds another collection's rows.
        """
        with self._store_held() as store:
            stored = store.tables()
        self._refuse_others(stored)
        strange = any(self._is_strange(table) for table in stored)
        lost = bool(self.opened.written_by) and not stored
        lineup, versions = self._serving(stored)
        if strange or lost or self.options.full:
            self._reconcile(versions)
        with self.collection.read() as con:
            tables = [self._table(con, version, lineup) for version in versions]
            watermark = publishable.watermark(con, versions)
        kept = {table.name for table in tables}
        return PublicationPlan(
            tables=tables,
            dropped=[table for table in stored if table.name not in kept],
            watermark=watermark,
            is_noted=not strange and not lost and _as_noted(stored, tables),
        )

    def send(self, plan: PublicationPlan, advance: Advance) -> None:
        """Remove, drop and write what the plan says; ``advance`` hears of rows.

        May be called again after it failed: what was sent is not sent again.
        """
        if plan.is_empty:
            return
        self._begin(plan)
        for table in plan.tables:
            self._remove(table, advance)
        for gone in plan.dropped:
            self._drop(gone)
        for table in plan.tables:
            self._put(table, advance)

    def verify(self, plan: PublicationPlan) -> list[str]:
        """Compare counts and sampled vectors; return what is wrong, table by table.

        Raises:
            StoreError: a vector in the store is not the collection's, though its row is.
        """
        return [said for table in plan.tables if (said := self._check(table))]

    def mend(self) -> PublicationPlan:
        """Return what has to be done once the store itself was asked for all that it holds."""
        self.publication.notes.append(
            "the store did not hold what was last sent there: it was read and brought in step"
        )
        with self.collection.read() as con:
            versions = model_versions.all_versions(con)
        names = {sent.table for sent in self.publication.tables}
        self._reconcile([v for v in versions if table_name(v) in names])
        return self.plan()

    def close(self, plan: PublicationPlan) -> Publication:
        """Let the store say that it is complete and which tables serve; note it in the ledger."""
        with self._store_held() as store:
            if not plan.is_empty:
                store.mark([self._told(table, "complete") for table in plan.tables])
            store.settle()
        with self.collection.write() as con:
            publications.close_publication(
                con, self.opened.generation, plan.watermark, self.publication.counts()
            )
        return self.publication

    def _is_strange(self, table: StoredTable) -> bool:
        """Say whether a table may hold other rows than the ledger knows of.

        Of a publication that was broken off, the store may have a batch that was not noted.
        """
        return table.written_by != self.opened.written_by or table.state != "complete"

    def _refuse_others(self, stored: list[StoredTable]) -> None:
        for table in stored:
            if table.collection_id != self.opened.collection_id:
                raise StoreTaken(
                    f"{self.address.text} holds rows of another collection, {table.collection!r}: "
                    "publish to another place, or delete what is there"
                )

    def _serving(self, stored: list[StoredTable]) -> tuple[Lineup, list[ModelVersion]]:
        """Return the line-up, and the versions to keep in step: live, named, there unless pruned.

        Raises:
            CollectionEmpty: there is no line-up yet.
            ModelMismatch: a version that is named is not there.
        """
        with self.collection.read() as con:
            lineup, known = model_versions.live(con), model_versions.all_versions(con)
            named = [one_version(con, spec) for spec in self.options.models]
        if lineup is None:
            raise CollectionEmpty(
                f"{self.collection.path} holds no vector yet: run `crossmodal index PATH...` first"
            )
        spaces = {table.space for table in stored} if not self.options.prune else set()
        before = [version for version in known if version.fingerprint in spaces]
        wanted = (*lineup.versions, *named, *before)
        return lineup, list({version.fingerprint: version for version in wanted}.values())

    def _table(
        self, con: duckdb.DuckDBPyConnection, version: ModelVersion, lineup: Lineup
    ) -> Table:
        found = publishable.changes(con, self.opened.store_id, version)
        name = table_name(version)
        sent = next((s for s in self.publication.tables if s.table == name), None)
        if sent is None:
            sent = Sent(table=name, model=version.label, serves=_served(version, lineup))
            self.publication.tables.append(sent)
        return Table(version=version, changes=found, sent=sent)

    def _reconcile(self, versions: list[ModelVersion]) -> None:
        """Replace what the ledger believes that the store holds by what the store says."""
        for version in versions:
            assert version.id is not None
            with self._store_held() as store:
                there = store.digests(table_name(version))
            if self.options.full:  # no row is as it should be, and none is forgotten
                there = there.set_column(1, "digest", pa.array(np.zeros(len(there), np.int64)))
            with self.collection.write() as con:
                publications.forget_table(con, self.opened.store_id, version.id)
                publications.note_sent(con, self.opened.store_id, version.id, there)

    def _begin(self, plan: PublicationPlan) -> None:
        """Make the tables and let both sides say who writes from now on."""
        with self._store_held() as store:
            for table in plan.tables:
                store.make(table.name, table.version.dim)
            was = {table.name: table for table in store.tables()}
            going = [self._told(table, "publishing", was) for table in plan.tables]
            leaving = {table.name for table in plan.dropped}
            going += [
                replace(was[name], written_by=self.run_id, state="publishing")
                for name in sorted(leaving & was.keys())
            ]
            store.mark(going)
        with self.collection.write() as con:
            publications.note_writer(con, self.opened.store_id, self.run_id)
        self.opened = replace(self.opened, written_by=self.run_id)

    def _told(
        self, table: Table, state: str, was: dict[str, StoredTable] | None = None
    ) -> StoredTable:
        """Return what the store says of a table; while it is written it serves what it served."""
        before = was.get(table.name) if was is not None else None
        is_complete = state == "complete"
        return StoredTable(
            name=table.name,
            collection_id=self.opened.collection_id,
            collection=self.collection.path.name,
            model=table.version.label,
            space=table.version.fingerprint,
            dim=table.version.dim,
            serves=table.sent.serves if is_complete else before.serves if before else (),
            state="complete" if is_complete else "publishing",
            written_by=self.run_id,
            generation=self.opened.generation,
            num_rows=table.sent.num_rows if is_complete else before.num_rows if before else 0,
            published_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _remove(self, table: Table, advance: Advance) -> None:
        for ids in _batches(table.changes.gone):
            with self._store_held() as store:
                store.remove(table.name, ids)
            with self.collection.write() as con:
                publications.note_removed(con, self.opened.store_id, table.version_id, ids)
            table.sent.num_removed += len(ids)
            table.changes = replace(table.changes, gone=table.changes.gone[len(ids) :])
            advance(len(ids))

    def _drop(self, gone: StoredTable) -> None:
        if gone.name in self.publication.dropped:
            return
        with self._store_held() as store:
            store.drop(gone.name)
        with self.collection.write() as con:
            for version in model_versions.all_versions(con):
                if version.fingerprint == gone.space and version.id is not None:
                    publications.forget_table(con, self.opened.store_id, version.id)
        self.publication.dropped.append(gone.name)

    def _put(self, table: Table, advance: Advance) -> None:
        new = set(table.changes.new.tolist())
        for ids in _batches(table.changes.put):
            with self.collection.read() as con:
                found = publishable.publishable_rows(con, table.version, ids)
            if found.num_rows:
                with self._store_held() as store:
                    store.put(table.name, sent_rows(found, table.version))
                with self.collection.write() as con:
                    publications.note_sent(
                        con,
                        self.opened.store_id,
                        table.version_id,
                        found.select(["chunk_id", "digest"]),
                    )
            num_new = sum(number in new for number in found["chunk_id"].to_pylist())
            table.sent.num_added += num_new
            table.sent.num_changed += found.num_rows - num_new
            table.changes = replace(
                table.changes,
                new=np.setdiff1d(table.changes.new, ids),
                changed=np.setdiff1d(table.changes.changed, ids),
            )
            advance(len(ids))

    def _check(self, table: Table) -> str:
        with self.collection.read() as con:
            wanted, sampled = publishable.published(
                con, self.opened.store_id, table.version_id, NUM_SAMPLED
            )
            ours = publishable.vectors_of(con, table.version, sampled)
        with self._store_held() as store:
            num_rows = store.count(table.name)
            if num_rows != wanted:
                return f"{table.name} has {num_rows:,} rows in place of {wanted:,}"
            theirs = store.vectors(table.name, sampled) if len(sampled) else {}
        missing = sum(number not in theirs for number in sampled.tolist())
        if missing:
            return f"{table.name} lacks {missing} of {len(sampled)} rows"
        for number, vector in theirs.items():
            # Gone from the ledger since: the next publication removes it.
            if number in ours and np.abs(vector - ours[number]).max() > _TOLERANCE:
                raise StoreError(
                    f"{self.address.text}: the vector of chunk {number} in {table.name} is not the "
                    "collection's; somebody else writes there. Publish with --full to send all "
                    "rows again"
                )
        table.sent.num_rows, table.sent.num_sampled = num_rows, len(sampled)
        return ""

    @contextmanager
    def _store_held(self) -> Iterator[Store]:
        """Yield the open store; one that broke off is opened again by the next call."""
        with as_private_as(self.collection.path):
            if self._store is None:
                self._store = open_store(self.address)
            try:
                yield self._store
            except StoreAway:
                self._release()
                raise

    def _release(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            store.close()


@contextmanager
def publishing(collection: Collection, options: PublishOptions, run_id: str) -> Iterator[Publisher]:
    """Yield what publishes as a run, the only one to its store; the store is closed at the end.

    Raises:
        PathError: the address names no store.
        PublicationBusy: another run publishes there.
    """
    address = parse_address(options.to)
    with collection.write() as con:
        opened = publications.open_publication(con, run_id, address.text)
    told = Publication(to=address.text, generation=opened.generation)
    publisher = Publisher(collection, options, run_id, address, opened, told)
    try:
        yield publisher
    finally:
        publisher._release()


def publish(
    collection: Collection, options: PublishOptions, run_id: str, advance: Advance
) -> Publication:
    """Bring a store in step with a collection as one run, and return what that took.

    Raises:
        StoreError: the store cannot be used, or does not hold what was sent to it.
    """
    with publishing(collection, options, run_id) as publisher:
        plan = publisher.plan()
        publisher.send(plan, advance)
        return publisher.close(verified(publisher, plan, advance))


def verified(publisher: Publisher, plan: PublicationPlan, advance: Advance) -> PublicationPlan:
    """Return the plan by which the store holds what it should, mended once where it did not.

    Raises:
        StoreError: it does not hold it after that either.
    """
    if not publisher.verify(plan):
        return plan
    mended = publisher.mend()
    publisher.send(mended, advance)
    wrong = publisher.verify(mended)
    if wrong:
        raise StoreError(
            f"{publisher.address.text} does not hold what was sent: {'; '.join(wrong)}. See who "
            "else writes there, then publish again"
        )
    return mended


def _served(version: ModelVersion, lineup: Lineup) -> tuple[str, ...]:
    return tuple(sorted(m for m, serving in lineup.serving.items() if serving == version))


def _as_noted(stored: list[StoredTable], tables: list[Table]) -> bool:
    """Say whether the store is complete and tells the line-up as it is."""
    told = {table.name: (table.state, table.serves) for table in stored}
    return told == {table.name: ("complete", table.sent.serves) for table in tables}


def _batches(ids: Ids) -> Iterator[Ids]:
    return (ids[start : start + BATCH_ROWS] for start in range(0, len(ids), BATCH_ROWS))
