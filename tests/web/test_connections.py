"""Half-open requests are ended in time, and one address does not take every place."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from threading import Thread
from typing import Any

import httpx
import pytest
import uvicorn

from crossmodal.web.guards import connections
from tests.waiting import eventually, free_port


async def _app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"well"})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(connections, "HEAD_S", 1.0)
    monkeypatch.setattr(connections, "MAX_AN_ADDRESS", 20)
    port = free_port()
    config = uvicorn.Config(
        _app, port=port, http=connections.GuardedProtocol, lifespan="off", log_config=None
    )
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    eventually(lambda: server.started, 20, "a server")
    yield port
    server.should_exit = True
    thread.join(20)


def half_open(port: int, head: bytes = b"GET / HTTP/1.1\r\nHost: x\r\n") -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=15)
    client.sendall(head)
    return client


def ended(client: socket.socket) -> bool:
    """Wait for the server to hang up."""
    try:
        return client.recv(1) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("head", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_head_that_does_not_come_ends_its_connection(port: int, head: bytes) -> None:
    started = time.monotonic()
    with half_open(port, head) as client:
        assert ended(client)
    assert time.monotonic() - started > 0.8


def test_second_head_on_a_connection_has_a_deadline_too(port: int) -> None:
    with half_open(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") as client:
        answer = b""
        while not answer.endswith(b"0\r\n\r\n") and not answer.endswith(b"well"):
            answer += client.recv(1000)
        client.sendall(b"GET / HT")
        assert ended(client)


def test_others_are_answered_beside_an_address_with_too_many(port: int) -> None:
    flood = [half_open(port) for _ in range(60)]
    try:
        assert sum(ended(client) for client in flood[20:]) == 40
        other = httpx.HTTPTransport(local_address="127.0.0.2")
        with httpx.Client(transport=other) as client:
            assert client.get(f"http://127.0.0.1:{port}/").text == "well"
    finally:
        for client in flood:
            client.close()


def test_whole_requests_are_answered_on_one_connection(port: int) -> None:
    with httpx.Client() as client:
        assert [client.get(f"http://127.0.0.1:{port}/").text for _ in range(3)] == ["well"] * 3
