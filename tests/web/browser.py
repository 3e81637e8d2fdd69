"""Serve the page to a real Chromium, and wait for what a person would wait for."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import uvicorn

from crossmodal.web.app import make_app
from crossmodal.web.settings import UiSettings
from tests.waiting import eventually, free_port

WAIT_MS = 30_000
READY = "/health/ready"
Open = Callable[..., Any]
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--autoplay-policy=no-user-gesture-required",
]
# What the browser itself says of a refused request, and of markup that a test tries to put in.
_EXPECTED = ("Failed to load resource", "This document requires 'TrustedHTML'")


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
            eventually(lambda: client.get(READY).status_code == 200, 120, "a loaded model", 0.05)
        yield address
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def launched() -> Iterator[Any]:
    """Start Chromium, or skip where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("there is no chromium on the path")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def opener(chromium: Any, address: str) -> Iterator[Open]:
    """Yield what opens the page; whatever it complains about fails the test."""
    complaints: list[str] = []
    contexts = []

    def open_page(path: str = "/", **options: Any) -> Any:
        context = chromium.new_context(**options)
        context.set_default_timeout(WAIT_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
        page.goto(address + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [told for told in complaints if not told.startswith(_EXPECTED)] == []


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
