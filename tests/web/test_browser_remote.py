"""The page in a real Chromium over a bucket and a web server: pictures, players, placeholders."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.web.browser import Open, faces, opener, served, until
from tests.web.far import BUCKET, Far

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*datetime.utcnow:DeprecationWarning"),
]


@pytest.fixture
def open_page(chromium: Any, far: Far) -> Iterator[Open]:
    with served(far.settings) as address, opener(chromium, address) as open_page:
        yield open_page


def card(page: Any, name: str) -> Any:
    return faces(page).filter(has_text=name).first


def shown(page: Any, selector: str) -> None:
    until(page, f"document.querySelector('{selector}')?.naturalWidth > 0")


def test_photo_of_a_bucket_is_in_the_grid_and_in_the_details(open_page: Open) -> None:
    page = open_page("/?q=a+disc&modality=image&path=picture_0001.png")
    face = card(page, "picture_0001.png")
    shown(page, "#results img")
    assert f"s3://{BUCKET}/summer" in face.inner_text()
    face.click()
    shown(page, "#details .stage img")
    assert f"s3://{BUCKET}/summer/picture_0001.png" in page.inner_text("#details dl")


def test_sound_of_a_web_server_plays_and_can_be_skipped_in(open_page: Open, far: Far) -> None:
    page = open_page("/?q=a+bell&modality=audio&path=bell.wav")
    card(page, "bell.wav").click()
    shown(page, "#details .wave")
    player = "document.querySelector('#details audio')"
    until(page, f"{player}?.currentTime > 0.1 && !{player}.paused")
    assert page.evaluate(f"{player}.duration") == pytest.approx(3, abs=0.01)
    page.evaluate(f"{player}.currentTime = 2.5")
    until(page, f"{player}.ended")
    assert "Matched from 0:00" in page.inner_text("#details .stage")


def test_photo_that_vanished_leaves_words_in_its_place(open_page: Open, far: Far) -> None:
    far.web.status = 404
    page = open_page("/?q=a+disc&modality=image&path=poster.png")
    until(page, "document.querySelector('#results .blank')?.textContent.includes('longer')")
    face = card(page, "poster.png")
    assert "Picture is no longer there" in face.inner_text()
    face.click()
    until(page, "document.querySelector('#details .blank')?.textContent.includes('longer')")
    said = page.inner_text("#details .stage")
    assert said == f"{far.http('poster.png')} is no longer there"
    assert "Find similar" in page.inner_text("#details")


def test_sound_that_vanished_says_so_where_it_would_play(open_page: Open, far: Far) -> None:
    far.web.status = 404
    page = open_page("/?q=a+bell&modality=audio&path=bell.wav")
    card(page, "bell.wav").click()
    until(page, "document.querySelector('#details .blank')?.textContent.includes('longer')")
    assert page.locator("#details audio").count() == 0


def test_server_that_hangs_holds_up_neither_the_page_nor_other_pictures(
    open_page: Open, far: Far
) -> None:
    far.web.hangs = True
    page = open_page("/?q=a+disc&modality=image")
    words = "lies where nothing answers now"
    until(page, f"document.querySelector('#results .blank')?.textContent.includes('{words}')")
    until(page, "[...document.querySelectorAll('#results img')].every(i => i.naturalWidth)")
    assert faces(page).count() == 7
    assert page.locator("#results .blank").count() == 1
