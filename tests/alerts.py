"""Receive alerts as the program does that they are posted to."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Empty, Queue
from threading import Thread
from typing import Any

import pytest

from tests.waiting import PATIENCE_S

Posts = Queue[dict[str, Any]]


@contextmanager
def listening() -> Iterator[tuple[str, Posts]]:
    """Yield the URL of an HTTP server and the JSON bodies that are posted to it."""
    posts: Posts = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posts.put(json.loads(body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/alerts", posts
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def wait_for(posts: Posts, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with suppress(Empty):
            post = posts.get(timeout=1)
            if wanted(post):
                return post
    pytest.fail("nothing of the kind was posted")
