"""Serve the page to a real Chromium, and wait for what a person would wait for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn

from deployments.ui.app import make_app
from deployments.ui.settings import UiSettings
from tests.ui.conftest import until_ready
from tests.waiting import eventually, free_port

WAIT_MS = 30_000


@contextmanager
def served(settings: UiSettings) -> Iterator[str]:
    """Serve the page from a thread of this process."""
    port = free_port()
    config = uvicorn.Config(make_app(settings), port=port, log_config=None, ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    address = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(
            base_url=address,
            trust_env=False,
            timeout=60,
            transport=httpx.HTTPTransport(retries=5),
        ) as client:
            until_ready(client)
        yield address
    finally:
        server.should_exit = True
        thread.join()


def until(page: Any, expression: str) -> None:
    """Wait until an expression is true; Playwright's own way is shut out by the page's policy."""
    eventually(lambda: page.evaluate(expression), WAIT_MS / 1000, expression, 0.05)


def searched(page: Any, text: str) -> Any:
    page.fill("#q", text)
    page.press("#q", "Enter")
    return faces(page)


def faces(page: Any) -> Any:
    page.wait_for_selector("#results[aria-busy=false] .face")
    return page.locator("#results .face")
