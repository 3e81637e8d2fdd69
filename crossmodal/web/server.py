"""Run the search page until a signal ends it: new requests are refused, those in flight finish.

Invariant: whichever signal it was, the process ends by itself, with exit code 0, within seconds.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from crossmodal.web.app import make_app
from crossmodal.web.desk import desk
from crossmodal.web.guards.connections import GuardedProtocol
from crossmodal.web.settings import RefusedToServe, UiSettings, check
from crossmodal.web.shared_read import SharedCollection

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_FINISH_S = 8
_MAX_CONNECTIONS = 1000
_KEEP_ALIVE_S = 20
_LEAVE_S = 1.0
_WORKER = "AnyIO worker thread"


class _Server(uvicorn.Server):
    """End on a signal without dying of it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self.handle_exit) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def serve(settings: UiSettings, say: Callable[[str], None]) -> None:
    """Serve until a signal; ``say`` gets the lines that a person wants to read.

    Raises:
        RefusedToServe: others could reach it without a token, or the port is taken.
    """
    check(settings)
    config = uvicorn.Config(
        make_app(settings),
        http=GuardedProtocol,
        access_log=False,  # what people look for is their own
        log_config=None,
        lifespan="on",
        server_header=False,
        date_header=True,
        limit_concurrency=_MAX_CONNECTIONS,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_FINISH_S,
        ws="none",
        proxy_headers=False,
    )
    listening = _listen(settings)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    say(f"searching {settings.collection} at {settings.link}   (Ctrl-C ends it)")
    collection = SharedCollection(settings.collection, settings.lock_wait_s)
    with listening, desk(collection, settings.device):
        _Server(config).run(sockets=[listening])
    _leave()


def _leave() -> None:
    """End now where threads still work: a model that loads cannot be interrupted, only left."""
    deadline = time.monotonic() + _LEAVE_S
    working = [thread for thread in threading.enumerate() if thread.name == _WORKER]
    for thread in working:
        thread.join(max(0.0, deadline - time.monotonic()))
    if any(thread.is_alive() for thread in working):
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)


def _listen(settings: UiSettings) -> socket.socket:
    """Take the port first, so that a taken one is said in words."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
        listening.listen(2048)
    except OSError as error:
        listening.close()
        raise RefusedToServe(
            f"{settings.host} port {settings.port} cannot be used ({error.strerror or error}): "
            "choose another with --port or --host"
        ) from error
    return listening
