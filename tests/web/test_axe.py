"""axe-core finds nothing serious on the pages, in light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.web.axe import serious_violations
from tests.web.browser import Open, faces, opener, served, until
from tests.web.conftest import Site
from tests.web.test_overview import draw_map

pytestmark = pytest.mark.browser
SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])


@pytest.fixture
def open_page(chromium: Any, own_site: Site) -> Iterator[Open]:
    draw_map(own_site.collection)
    with served(own_site.settings) as address, opener(chromium, address) as open_page:
        yield open_page


@SCHEMES
def test_search_page_with_hits_and_details_keeps_nobody_out(open_page: Open, scheme: str) -> None:
    page = open_page("/?q=a+red+picture", color_scheme=scheme)
    page.wait_for_selector("#results[aria-busy=false] .face")
    assert serious_violations(page) == []
    page.locator("#results .face").first.click()
    page.wait_for_selector("dialog[open], [role=dialog]:visible")
    assert serious_violations(page) == []


@SCHEMES
def test_search_page_with_likes_keeps_nobody_out(open_page: Open, scheme: str) -> None:
    page = open_page(
        "/?q=a+red+picture", color_scheme=scheme, viewport={"width": 390, "height": 844}
    )
    liked = faces(page).first.get_attribute("data-chunk")
    page.goto(page.url.split("?")[0] + f"?likes={liked}&colours=0.5")
    faces(page)
    assert serious_violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == 390


@SCHEMES
def test_page_of_the_collection_keeps_nobody_out(open_page: Open, scheme: str) -> None:
    page = open_page("/collection", color_scheme=scheme)
    until(page, "document.body?.dataset.ready === 'yes'")
    assert serious_violations(page) == []


def test_what_keeps_people_out_is_found(open_page: Open) -> None:
    page = open_page("/collection")
    until(page, "document.body?.dataset.ready === 'yes'")
    page.evaluate("document.body.append(document.createElement('button'))")
    (found,) = serious_violations(page)
    assert found[1:] == ["button-name", ["<button></button>"]]
