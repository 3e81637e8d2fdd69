"""The page of the collection in a real Chromium: map, models and runs, with keys and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.web.browser import Open, opener, served, until
from tests.web.conftest import Site
from tests.web.test_overview import HOSTILE, add_versions, draw_map

pytestmark = pytest.mark.browser
READY = "document.body?.dataset.ready === 'yes'"


@pytest.fixture
def open_page(chromium: Any, own_site: Site) -> Iterator[Open]:
    draw_map(own_site.collection)
    with served(own_site.settings) as address, opener(chromium, address) as open_page:
        yield open_page


def test_map_models_and_runs_are_shown_and_lead_to_what_is_similar(open_page: Open) -> None:
    page = open_page("/collection")
    until(page, READY)
    assert "what is alike lies together" in page.inner_text("#map-said")
    assert page.locator("#labels span").all_text_contents().count(HOSTILE) == 1
    assert page.locator("img[src=x]").count() == 0
    assert "completed" in page.inner_text("#runs")
    assert "image, text" in page.inner_text("#models")
    page.focus("#clusters button")
    page.keyboard.press("Enter")
    page.wait_for_selector("#picked a")
    assert page.get_attribute("#clusters button", "aria-pressed") == "true"
    page.click("#picked a >> nth=0")
    page.wait_for_selector("#results[aria-busy=false] .face")
    assert "like=" in page.url


def test_click_into_the_map_shows_what_lies_there(open_page: Open) -> None:
    page = open_page("/collection")
    until(page, READY)
    page.click("#points", position={"x": 80, "y": 80})
    page.wait_for_selector("#picked a")
    assert page.locator("#picked a").count() == 8
    drawn = page.evaluate(
        """() => {
            const canvas = document.getElementById("points");
            const pen = canvas.getContext("2d");
            const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
            return data.filter((value, at) => at % 4 === 3 && value > 0).length;
        }"""
    )
    assert drawn > 500


def test_names_stay_on_the_map_and_cover_no_other_on_a_phone(open_page: Open) -> None:
    page = open_page("/collection", viewport={"width": 360, "height": 740}, has_touch=True)
    until(page, READY)
    outside, over = page.evaluate(
        """() => {
            const box = (element) => element.getBoundingClientRect();
            const sheet = box(document.querySelector(".sheet"));
            const names = [...document.querySelectorAll("#labels span")]
                .filter((name) => getComputedStyle(name).visibility === "visible").map(box);
            const outside = names.filter((n) => n.left < sheet.left || n.right > sheet.right);
            const over = names.filter((n, i) => names.slice(i + 1).some((other) =>
                n.left < other.right && other.left < n.right
                && n.top < other.bottom && other.top < n.bottom));
            return [outside.length, over.length];
        }"""
    )
    assert (outside, over) == (0, 0)
    assert page.is_visible("#labels span >> nth=0")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_a_phone_and_names_all_that_can_be_pressed(open_page: Open, scheme: str) -> None:
    page = open_page(
        "/collection", viewport={"width": 360, "height": 740}, color_scheme=scheme, has_touch=True
    )
    until(page, READY)
    page.click("#clusters button >> nth=0")
    page.wait_for_selector("#picked a")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, a")]
            .filter((e) => e.checkVisibility())
            .filter((e) => !(e.getAttribute("aria-label") || e.textContent.trim()))
            .map((e) => e.outerHTML)"""
    )
    assert nameless == []
    assert page.locator("img:not([alt])").count() == 0


def test_search_page_leads_there(open_page: Open) -> None:
    page = open_page("/")
    page.click("text=Map, models and runs")
    page.wait_for_url("**/collection")
    until(page, READY)
    assert page.title() == "Collection · crossmodal"


def test_lineage_is_drawn_and_told(open_page: Open, own_site: Site) -> None:
    add_versions(own_site.collection)
    page = open_page("/collection")
    until(page, READY)
    assert page.locator("#lineage svg g.box, #lineage svg g.live").count() == 3
    assert page.locator("#lineage svg path").count() == 2
    assert "2 of them made from another" in page.inner_text("#lineage-said")
    told = page.locator("#made li").all_inner_texts()
    assert len(told) == 2
    assert HOSTILE in told[0]
    assert "training, depth head" in told[0]
    assert page.locator("img[src=x]").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
