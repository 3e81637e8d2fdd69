"""Count and time what is asked, for Prometheus; never what it was that somebody looked for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from crossmodal.web.api.schemas import CollectionStatus, SearchAnswer

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """Hold the numbers of one app."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        where: dict[str, Any] = {"registry": self._registry, "namespace": "crossmodal"}
        self._requests = Counter(
            "http_requests", "Answers.", ("route", "method", "status"), **where
        )
        self._seconds = Histogram(
            "http_request_seconds", "Time to the last byte.", ("route",), buckets=_BUCKETS, **where
        )
        self._in_flight = Gauge("http_requests_in_flight", "Requests being answered.", **where)
        self._searches = Counter("searches", "Searches, by what was asked with.", ("by",), **where)
        self._hits = Counter(
            "search_hits", "Hits shown, by their modality.", ("modality",), **where
        )
        self._vectors = Gauge(
            "vectors", "Vectors in the collection.", ("model", "modality", "live"), **where
        )
        self._sources = Gauge("sources", "Sources in the collection.", **where)
        self._chunks = Gauge("chunks", "Chunks in the collection.", **where)
        self._disk_bytes = Gauge("collection_bytes", "Size of the collection's file.", **where)
        self._previews = Gauge("preview_cache_bytes", "Previews kept in memory.", **where)

    def searched(self, by: str, answer: SearchAnswer) -> None:
        """Count a search and its hits."""
        self._searches.labels(by).inc()
        for hit in answer.hits:
            self._hits.labels(hit.modality).inc()

    def rendered(self, status: CollectionStatus | None, num_preview_bytes: int) -> bytes:
        """Return all numbers as text; those of the collection stay as they were without status."""
        self._previews.set(num_preview_bytes)
        if status:
            self._sources.set(status.num_sources)
            self._chunks.set(status.num_chunks)
            self._disk_bytes.set(status.disk_bytes)
            self._vectors.clear()
            for held in status.lists:
                live = str(held.is_live).lower()
                self._vectors.labels(held.model, held.modality, live).set(held.num_vectors)
        return generate_latest(self._registry)

    def watch(self, app: ASGIApp) -> ASGIApp:
        """Return the app, its requests counted and timed."""

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            status = 500
            started = time.perf_counter()

            async def note(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            with self._in_flight.track_inprogress():
                try:
                    await app(scope, receive, note)
                finally:
                    route = getattr(scope.get("route"), "path", "other")
                    method = scope["method"] if scope["method"] in _METHODS else "other"
                    self._requests.labels(route, method, status).inc()
                    self._seconds.labels(route).observe(time.perf_counter() - started)

        return watched


_METHODS = ("GET", "HEAD", "POST", "OPTIONS")
