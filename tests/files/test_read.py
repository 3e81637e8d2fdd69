from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import pytest

from crossmodal.errors import Refused
from crossmodal.files.read import is_remote, read_source
from crossmodal.files.retry import NUM_RETRIES

CONTENT = b"the content" * 100
LIMIT = 10_000


@pytest.fixture
def flaky_server() -> Iterator[tuple[str, list[str]]]:
    """Return a URL whose server fails twice before it answers, and the list of its requests."""
    requests: list[str] = []

    class Flaky(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            num_tries = requests.count(self.path)
            broken = self.path == "/broken" or num_tries <= 2
            self.send_response(404 if self.path == "/none" else 503 if broken else 200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Flaky)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", requests
    server.shutdown()
    server.server_close()


@pytest.fixture
def slow_server() -> Iterator[str]:
    """Return the URL of CONTENT on a server that knows no ranges and sends a piece at a time."""

    class Slow(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Accept-Ranges", "none")
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            for start in range(0, len(CONTENT), 400):
                self.wfile.write(CONTENT[start : start + 400])
                self.wfile.flush()
                time.sleep(0.05)

        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("Accept-Ranges", "none")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/slow"
    server.shutdown()
    server.server_close()


def refusal(uri: str, **options) -> Refused:
    with pytest.raises(Refused) as caught:
        read_source(uri, **{"max_bytes": LIMIT, **options})
    return caught.value


def test_local_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "odd name's 写真 😀\n.bin"
    path.write_bytes(CONTENT)
    assert read_source(str(path), LIMIT, hashlib.sha256(CONTENT).hexdigest()) == CONTENT


def test_local_path_with_a_scheme_inside_is_local(tmp_path: Path) -> None:
    assert not is_remote(str(tmp_path / "http://x"))
    assert is_remote("s3://bucket/key")


def test_content_other_than_planned_is_left_to_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    refused = refusal(str(path), content_hash="0" * 64)
    assert (refused.reason, refused.transient) == ("changed_while_indexing", True)


def test_file_over_the_limit_is_refused_without_reading_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as stream:
        stream.truncate(1 << 40)
    refused = refusal(str(path))
    assert (refused.reason, refused.transient) == ("too_large", False)


def test_vanished_file_is_tried_again_by_the_next_run(tmp_path: Path) -> None:
    refused = refusal(str(tmp_path / "gone"))
    assert (refused.reason, refused.transient) == ("missing", True)


def test_unreadable_file_is_not_tried_again(tmp_path: Path) -> None:
    refused = refusal(str(tmp_path / "name".ljust(300, "x")))
    assert (refused.reason, refused.transient) == ("read_failed", False)


def test_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert refusal(str(tmp_path / "pipe")).reason == "missing"


def test_object_of_a_store_is_read_through_fsspec() -> None:
    fsspec.filesystem("memory").pipe_file("/bucket/a picture #1.bin", CONTENT)
    assert read_source("memory://bucket/a picture #1.bin", LIMIT) == CONTENT


def test_url_that_fails_for_a_moment_is_read(flaky_server) -> None:
    url, requests = flaky_server
    assert read_source(f"{url}/picture", LIMIT) == CONTENT
    assert len(requests) > 2


def test_url_that_goes_on_failing_is_left_to_the_next_run(flaky_server) -> None:
    url, requests = flaky_server
    refused = refusal(f"{url}/broken")
    assert (refused.reason, refused.transient) == ("read_failed", True)
    assert requests.count("/broken") == 1 + NUM_RETRIES


def test_url_that_comes_in_pieces_is_read_whole(slow_server: str) -> None:
    assert read_source(slow_server, LIMIT) == CONTENT
    assert refusal(slow_server, max_bytes=len(CONTENT) - 1).reason == "too_large"


def test_missing_url_is_asked_for_once(flaky_server) -> None:
    url, requests = flaky_server
    assert refusal(f"{url}/none").reason == "missing"
    assert requests.count("/none") == 1
