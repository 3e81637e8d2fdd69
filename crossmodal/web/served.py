"""Hold what the requests of one process share: collection, searcher, previews, numbers."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from crossmodal.errors import CrossmodalError
from crossmodal.files.read import is_remote
from crossmodal.ledger.read.status import status as read_status
from crossmodal.web.api.schemas import CollectionStatus, ListStatus
from crossmodal.web.files.breaker import CircuitBreaker
from crossmodal.web.files.previews import Previews
from crossmodal.web.files.sources import Sources
from crossmodal.web.metrics import Metrics
from crossmodal.web.search_pages import Searcher
from crossmodal.web.shared_read import SharedCollection
from crossmodal.web.thread_pool import Pool

if TYPE_CHECKING:
    from crossmodal.ledger.read.chunks import SourceRow
    from crossmodal.web.settings import UiSettings

_LOG = logging.getLogger(__name__)
_STATUS_S = 5.0


class ServedCollection:
    """Serve one collection."""

    def __init__(self, settings: UiSettings) -> None:
        self.settings = settings
        self.collection = SharedCollection(settings.collection, settings.lock_wait_s)
        self.searcher = Searcher(settings, self.collection)
        self.sources = Sources(CircuitBreaker(settings.remote_wait_s))
        self.previews = Previews(settings.preview_cache_bytes, self.sources)
        self.metrics = Metrics()
        self.encoder_ready = False
        self._status: tuple[float, CollectionStatus] | None = None

    def make_pools(self) -> None:
        """Make the pools of this event loop.

        What is quick does not wait behind models, nor what is here behind other machines.
        """
        limits = self.settings.num_threads, self.settings.max_waiting, self.settings.max_wait_s
        self.searches, self.lookups, self.remotes = (Pool(*limits) for _ in range(3))

    def reading(self, row: SourceRow) -> Pool:
        """Return the pool in which a source is read."""
        return self.remotes if is_remote(row.uri) else self.lookups

    def warm_up(self) -> None:
        """Load the models once there is a collection; returns when they are, or cannot be."""
        try:
            self.searcher.warm_up()
            self.encoder_ready = True
        except CrossmodalError as error:
            _LOG.warning("searches will not work yet: %s", error)

    def status(self) -> CollectionStatus:
        """Return the collection's counts, at most a few seconds old."""
        kept = self._status
        if kept and time.monotonic() - kept[0] < _STATUS_S:
            return kept[1].model_copy(update={"encoder_ready": self.encoder_ready})
        found = self._read_status()
        self._status = time.monotonic(), found
        return found

    def status_or_none(self) -> CollectionStatus | None:
        """Return the counts, or None where the collection cannot be read now."""
        try:
            return self.status()
        except CrossmodalError:
            return None

    def _read_status(self) -> CollectionStatus:
        with self.collection.read() as con:
            found = read_status(con, self.collection)
        newest = found.runs[0] if found.runs else None
        return CollectionStatus(
            path=found.path,
            num_sources=found.num_sources,
            source_bytes=found.source_bytes,
            num_chunks=found.num_chunks,
            media_types=found.media_types,
            chunk_kinds=found.chunk_kinds,
            lists=[
                ListStatus(
                    model=held.model.label,
                    modality=modality,
                    num_vectors=num_vectors,
                    is_live=modality in held.live,
                )
                for held in found.models
                for modality, num_vectors in held.vectors.items()
            ],
            quarantine=found.quarantine,
            disk_bytes=found.disk_bytes,
            trial=found.trial.sentence() if found.trial else "",
            last_run=newest.state if newest else None,
            last_run_at=(newest.finished_at or newest.started_at) if newest else None,
            encoder_ready=self.encoder_ready,
        )
