"""Serve a folder over HTTP as web servers do, good and bad ones."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from crossmodal.web.files.ranges import byte_range


class Web(ThreadingHTTPServer):
    """Know how it behaves now, and what it was asked for."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.knows_ranges = True
        self.status = 200
        self.hangs = False
        self.end_hanging = threading.Event()
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def behave(self) -> None:
        """Go back to normal, and forget what was asked."""
        self.knows_ranges, self.status, self.hangs = True, 200, False
        self.end_hanging.set()
        self.end_hanging = threading.Event()
        self.asked.clear()


class _Handler(SimpleHTTPRequestHandler):
    server: Web

    def do_HEAD(self) -> None:
        if self._goes_on():
            super().do_HEAD()

    def do_GET(self) -> None:
        if not self._goes_on():
            return
        path = Path(self.translate_path(self.path))
        wanted = self.headers.get("Range") if self.server.knows_ranges else None
        if wanted is None or not path.is_file():
            super().do_GET()
            return
        content = path.read_bytes()
        start, stop = byte_range(wanted, len(content)) or (0, len(content))
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
        self.send_header("Content-Length", str(stop - start))
        self.end_headers()
        self.wfile.write(content[start:stop])

    def end_headers(self) -> None:
        self.send_header("Accept-Ranges", "bytes" if self.server.knows_ranges else "none")
        super().end_headers()

    def _goes_on(self) -> bool:
        self.server.asked.append(f"{self.command} {self.path} {self.headers.get('Range', '')}")
        if self.server.hangs:
            self.server.end_hanging.wait(60)
        if self.server.status != 200:
            self.send_error(self.server.status)
            return False
        return True

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the test's output clean."""


@contextmanager
def web(folder: Path) -> Iterator[Web]:
    server = Web(folder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.behave()
    server.shutdown()
    server.server_close()
