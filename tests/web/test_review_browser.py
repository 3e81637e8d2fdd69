"""The review page in a real Chromium: blurred first, decided by keys, never two on one item."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest
import uvicorn

from crossmodal.web.app import make_app
from crossmodal.web.settings import UiSettings
from tests.drawn import draw_picture
from tests.moderation.world import World, make_world, policy
from tests.waiting import eventually, free_port
from tests.web.axe import serious_violations
from tests.web.browser import Open, opener, until

pytestmark = pytest.mark.browser
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return findings in pictures that are really there, one of them with a name like markup."""
    world = make_world(tmp_path / "made.duckdb")
    world.add(*[i / 200 - 0.15 for i in range(57)], 0.9, 0.92, 0.94, text=HOSTILE)
    for number in (57, 58, 59):
        name = f"{HOSTILE}.png".replace("/", "") if number == 59 else f"{number}.png"
        file = tmp_path / name
        draw_picture(number).save(file)
        found = file.stat()
        with duckdb.connect(str(world.collection.path)) as con:
            con.execute(
                "UPDATE source SET uri = ?, root = ?, size_bytes = ?, mtime_ns = ? WHERE uri = ?",
                [
                    str(file),
                    str(tmp_path),
                    found.st_size,
                    found.st_mtime_ns,
                    f"/photos/{number}.png",
                ],
            )
    world.moderate(policy(**{"fear wolves": HOSTILE}))
    return world


@contextmanager
def served_without_model(world: World) -> Iterator[str]:
    settings = UiSettings(collection=str(world.collection.path), rate_per_s=1e6, burst=1e6)
    port = free_port()
    config = uvicorn.Config(make_app(settings), port=port, log_config=None, ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    address = f"http://127.0.0.1:{port}"

    def alive() -> bool:
        try:
            return httpx.get(f"{address}/health/live", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    try:
        eventually(alive, 60, "a page", 0.05)
        yield address
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def open_page(chromium: Any, world: World) -> Iterator[Open]:
    with served_without_model(world) as address, opener(chromium, address) as open_page:
        yield open_page


def begin(page: Any, name: str) -> None:
    page.fill("#actor", name)
    page.click("#who button")
    page.wait_for_selector("#item:not([hidden])")


def uri(page: Any) -> str:
    return str(page.inner_text(".uri"))


def test_pictures_are_blurred_until_shown_and_keys_decide(open_page: Open) -> None:
    page = open_page("/review")
    begin(page, "Ann")
    until(page, "document.querySelector('#seen img').naturalWidth > 0")
    look = "getComputedStyle(document.querySelector('#seen img')).filter"
    assert "blur" in page.evaluate(look)
    page.keyboard.press("b")
    assert page.evaluate(look) == "none"
    first = uri(page)
    page.keyboard.press("v")
    until(page, f"document.querySelector('.uri')?.textContent !== {first!r}")
    assert "blur" in page.evaluate(look)
    assert first in page.inner_text("#decided")
    page.keyboard.press("u")
    until(page, "document.querySelector('#done').hidden")
    assert "is open again" in page.inner_text("#said")
    page.reload()
    assert page.input_value("#actor") == "Ann"


def test_what_violates_is_hidden_by_a_key_and_shown_to_who_reviews(open_page: Open) -> None:
    page = open_page("/review")
    begin(page, "Ann")
    first = uri(page)
    page.keyboard.press("h")
    until(page, f"document.querySelector('.uri')?.textContent !== {first!r}")
    assert "hidden from searches" in page.inner_text("#said")
    assert "hidden from searches" in page.inner_text("#decided")
    page.keyboard.press("u")
    until(page, "document.querySelector('#done').hidden")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_queue_keeps_nobody_out(open_page: Open, scheme: str) -> None:
    page = open_page("/review", color_scheme=scheme)
    assert serious_violations(page) == []
    begin(page, "anna")
    assert serious_violations(page) == []


def test_two_reviewers_never_see_one_item_and_the_queue_ends(open_page: Open) -> None:
    ann, bob = open_page("/review"), open_page("/review")
    begin(ann, "Ann")
    begin(bob, "Bob")
    assert uri(ann) != uri(bob)
    ann.fill("#reason", "v is only a letter here")
    assert ann.input_value("#reason") == "v is only a letter here"
    before = uri(ann)
    ann.click("#allowed")
    until(ann, f"document.querySelector('.uri').textContent !== {before!r}")
    ann.click("#violates")
    ann.wait_for_selector("#notice:not([hidden])")
    assert "The queue is empty" in ann.inner_text("#notice")


def test_names_and_policies_that_look_like_markup_stay_text(open_page: Open) -> None:
    page = open_page("/review")
    begin(page, "<b>Ann</b>")
    assert HOSTILE in page.inner_text(".quote")
    assert HOSTILE in page.inner_text(".policy")
    assert page.locator("img[src=x]").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_a_phone_and_names_all_that_can_be_pressed(open_page: Open, scheme: str) -> None:
    page = open_page(
        "/review", viewport={"width": 360, "height": 740}, color_scheme=scheme, has_touch=True
    )
    begin(page, "Ann")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, a, input, textarea")]
            .filter((e) => e.checkVisibility())
            .filter((e) => !(e.getAttribute("aria-label") || e.labels?.length
                             || e.textContent.trim()))
            .map((e) => e.outerHTML)"""
    )
    assert nameless == []
    assert page.locator("img:not([alt])").count() == 0
