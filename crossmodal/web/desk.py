"""Answer the commands of this user beside the page, with the models that are loaded for it.

A socket in a folder of this user's alone (``search.running``): no port, no secret. A command's
options come whole, so that its answer is the one that it would have given itself.
"""

from __future__ import annotations

import json
import logging
import os
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from crossmodal.errors import CrossmodalError
from crossmodal.search.options import QueryOptions
from crossmodal.search.running import MAX_REQUEST_BYTES, code_version, is_own, socket_path
from crossmodal.search.service import SearchService, queries_of
from crossmodal.views.plain import plain
from crossmodal.web.lru import Lru

if TYPE_CHECKING:
    from crossmodal.ledger.collection import Collection
    from crossmodal.search.lists import QueryVectors

_LOG = logging.getLogger(__name__)
_OPTIONS = TypeAdapter(QueryOptions)
_NUM_THREADS = 4
_NUM_REMEMBERED = 500
_REQUEST_S = 10.0


@contextmanager
def desk(collection: Collection, device: str) -> Iterator[None]:
    """Answer commands until the block is left; quietly does nothing where there is no safe place.

    ``device`` is where the page's models run; a command that leaves it open uses them.
    """
    path = socket_path(collection.path)
    server = _listening(path, _Clerk(collection, device)) if path else None
    if path is None or server is None:
        yield
        return
    threading.Thread(target=server.serve_forever, daemon=True, name="desk").start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        with suppress(OSError):
            path.unlink()


class _Clerk:
    """Answer requests about one collection."""

    def __init__(self, collection: Collection, device: str) -> None:
        memory: Lru[str, QueryVectors] = Lru(_NUM_REMEMBERED)
        self._service = SearchService(collection, memory)
        self._device = device
        self._turns = threading.Semaphore(_NUM_THREADS)

    def answer(self, request: bytes) -> dict[str, Any]:
        """Return what is to be said; an empty error asks the command to answer by itself."""
        try:
            asked = json.loads(request)
            options = _OPTIONS.validate_python(asked["options"])
            texts = [str(text) for text in asked["texts"]]
            known = asked["version"] == code_version()
        except (ValueError, KeyError, TypeError, ValidationError, RecursionError):
            return {"error": "not understood"}
        if not known or options.collection != os.fspath(self._service.collection.path):
            return {"error": "of another version or collection"}
        if options.device == "auto":
            options = replace(options, device=self._device)
        try:
            with self._turns:
                return {"answers": self._answers(options, texts)}
        except CrossmodalError as error:
            return {"error": type(error).__name__, "message": str(error)}

    def _answers(self, options: QueryOptions, texts: list[str]) -> list[dict[str, Any]]:
        queries = queries_of(options, texts, [])
        found = self._service.ask_many(queries, options)
        return [{"answer": answer.to_dict(), "table": answer.to_text_table()} for answer in found]


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    clerk: _Clerk

    def verify_request(self, request: Any, client_address: Any) -> bool:
        return is_own(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        _LOG.warning("a command was not answered", exc_info=True)


class _Handler(socketserver.StreamRequestHandler):
    timeout = _REQUEST_S
    server: _Server

    def handle(self) -> None:
        request = self.rfile.read(MAX_REQUEST_BYTES + 1)
        if len(request) > MAX_REQUEST_BYTES:
            return
        told = self.server.clerk.answer(request)
        with suppress(OSError):  # a command that was given up
            self.wfile.write(json.dumps(told, default=plain).encode())


def _listening(path: Path, clerk: _Clerk) -> _Server | None:
    """Return a server at a path that nobody uses; None where another page of the same does."""
    if path.exists():
        import socket

        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(path)) == 0:
                return None
        path.unlink(missing_ok=True)  # of a page that was killed
    try:
        server = _Server(str(path), _Handler)
    except OSError as error:
        _LOG.warning("commands are not answered here: %s", error)
        return None
    server.clerk = clerk
    os.chmod(path, 0o600)
    return server
