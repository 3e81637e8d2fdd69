"""The page of questions in a real Chromium: sources with places and marks, by keys, on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.moderation.hiding import hide
from tests.web.axe import serious_violations
from tests.web.browser import Open, opener, served, until
from tests.web.conftest import Site

pytestmark = pytest.mark.browser
ANSWERED = "document.getElementById('answer')?.getAttribute('aria-busy') === 'false'"
SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])
HOSTILE = "<img src=x onerror=alert(1)>"
PLACED = (
    "document.querySelector('.evidence video')?.readyState >= 1 "
    "&& document.querySelector('.evidence video').currentTime >= 0"
)


@pytest.fixture(scope="module")
def address(site: Site) -> Iterator[str]:
    with served(site.settings) as address:
        yield address


@pytest.fixture
def open_page(chromium: Any, address: str) -> Iterator[Open]:
    with opener(chromium, address) as open_page:
        yield open_page


def asked(page: Any, question: str) -> Any:
    page.fill("#q", question)
    page.press("#q", "Enter")
    until(page, ANSWERED)
    return page.locator(".source")


def test_question_is_answered_by_sources_with_places_and_marked_sentences(open_page: Open) -> None:
    page = open_page("/ask?modality=text")
    assert "Ask the collection" in page.inner_text("#notice")
    sources = asked(page, "when does the ferry leave?")
    assert sources.count() == 5
    assert "5 sources" in page.inner_text("#said")
    first = sources.filter(has_text="harbour.md").first
    assert "ferry" in " ".join(first.locator("mark").all_inner_texts())
    numbers = page.locator(".source .number").all_inner_texts()
    assert numbers == [f"[{number}]" for number in range(1, 6)]
    assert "q=when" in page.url
    page.reload()
    until(page, ANSWERED)
    assert page.locator(".source").count() == 5


def test_page_of_a_document_is_cited_and_opened_at_that_page(open_page: Open) -> None:
    page = open_page("/ask?q=the+second+page&where=path%3D*report.pdf")
    until(page, ANSWERED)
    assert page.locator(".source").count() == 1
    places = page.locator(".evidence .place").all_inner_texts()
    links = [link.get_attribute("href") for link in page.locator(".evidence a.open").all()]
    assert places
    for place, link in zip(places, links, strict=True):
        assert place.split(",")[0] in ("page 1", "page 2", "pages 1 to 2")
        assert link.endswith(f"#page={place.split(',')[0].split()[1]}")


def test_moment_of_a_film_plays_from_its_second(open_page: Open) -> None:
    page = open_page("/ask?q=welcome+aboard&where=path%3D*trip.srt")
    until(page, ANSWERED)
    assert "of trip.webm" in page.inner_text(".source h2")
    assert "at 0:00" in page.inner_text(".evidence .place")
    page.click("text=Play from 0:00")
    until(page, PLACED)


def test_keys_ask_move_open_and_copy(open_page: Open) -> None:
    page = open_page("/ask", permissions=["clipboard-read", "clipboard-write"])
    page.keyboard.press("Tab")
    page.keyboard.press("/")
    page.keyboard.type("when does the ferry leave?")
    page.keyboard.press("Enter")
    until(page, ANSWERED)
    page.keyboard.press("ArrowDown")
    label = "document.activeElement.getAttribute('aria-label')"
    assert page.evaluate(label).startswith("[1] ")
    page.keyboard.press("ArrowDown")
    second = page.evaluate(label)
    page.keyboard.press("c")
    until(page, "document.activeElement.querySelector('.copy').textContent === 'Copied'")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.endswith(f"({second.split('] ', 1)[1]})")
    page.keyboard.press("ArrowUp")
    assert page.evaluate(label).startswith("[1] ")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.id") == "q"


def test_only_what_is_ticked_answers_and_back_goes_back(open_page: Open) -> None:
    page = open_page("/ask")
    asked(page, "a boat")
    page.check("#kinds [value=image]", force=True)
    until(page, "location.search.includes('modality=image')")
    until(page, ANSWERED)
    assert page.locator(".evidence .quote mark").count() == 0
    assert page.locator(".evidence .view").count() > 0
    page.go_back()
    until(page, ANSWERED)
    assert not page.is_checked("#kinds [value=image]")


def test_refusal_and_emptiness_are_told(open_page: Open) -> None:
    page = open_page("/ask")
    asked(page, "?!")
    assert "nothing is asked" in page.inner_text("#notice")
    page = open_page("/ask?q=boats&where=path%3D*nowhere*")
    until(page, ANSWERED)
    assert "No source answers" in page.inner_text("#notice")


def test_names_and_questions_that_look_like_markup_stay_text(open_page: Open) -> None:
    page = open_page("/ask")
    asked(page, HOSTILE)
    assert page.title().startswith(HOSTILE)
    assert page.locator("img[src=x]").count() == 0


@SCHEMES
def test_page_keeps_nobody_out_and_fits_a_phone(open_page: Open, scheme: str) -> None:
    page = open_page("/ask?q=a+boat", color_scheme=scheme)
    until(page, ANSWERED)
    assert serious_violations(page) == []
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert serious_violations(page) == []


def test_search_page_leads_there(open_page: Open) -> None:
    page = open_page("/")
    page.click("text=Ask a question")
    page.wait_for_url("**/ask")
    assert page.title() == "Ask · crossmodal"


def test_hidden_picture_is_shown_only_to_who_asks_for_it(
    chromium: Any, own_site: Site, chunks: dict[tuple[str, str], int]
) -> None:
    from crossmodal.ledger.collection import Collection

    hide(Collection(own_site.collection), chunks["letter.docx", "figure"])
    with served(own_site.settings) as address, opener(chromium, address) as open_page:
        page = open_page("/?q=a+boat&where=path%3D*letter.docx%3B+hidden%3Dyes")
        page.wait_for_selector("#results[aria-busy=false] .face")
        until(page, "document.querySelector('#results img').naturalWidth > 0")
        page.locator("#results .face").first.click()
        until(page, "document.querySelector('dialog .stage img')?.naturalWidth > 0")
