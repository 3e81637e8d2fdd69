"""The page in a real Chromium: what a person sees, types, drops and presses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.web.browser import Open, faces, opener, searched, served, until
from tests.web.conftest import Site

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(site: Site) -> Iterator[str]:
    with served(site.settings) as address:
        yield address


@pytest.fixture
def open_page(chromium: Any, address: str) -> Iterator[Open]:
    with opener(chromium, address) as open_page:
        yield open_page


def test_search_shows_pictures_moments_and_passages_as_what_they_are(open_page: Open) -> None:
    page = open_page()
    assert "Search by meaning" in page.inner_text("#notice")
    assert searched(page, "a disc and a bar").count() == 24
    summary = page.inner_text("#summary")
    assert "Results 1 to 24" in summary
    assert summary.startswith("Nothing stands out")  # the model's weights are random
    until(page, "[...document.querySelectorAll('#results img')].some(i => i.naturalWidth)")
    page.goto(page.url + "&type=video/*&every=1")
    assert faces(page).locator(".moment").first.inner_text() in ("0:00", "0:02")
    page.goto(page.url.replace("type=video", "modality=text&type=text"))
    assert any("Harbour" in text for text in faces(page).all_inner_texts())


def test_address_leads_back_to_the_same_page_filters_and_item(open_page: Open) -> None:
    page = open_page()
    searched(page, "a disc")
    page.click("#toggle-filters")
    page.check("[name=modality][value=image]", force=True)
    faces(page)
    page.click("#next")
    until(page, "document.querySelector('#page').textContent === 'Page 2'")
    first = faces(page).first
    first.click()
    page.wait_for_selector("#details dl")
    name = page.inner_text("#details-title")
    again = open_page("/" + page.url.split("/", 3)[3])
    again.wait_for_selector("#details dl")
    assert again.inner_text("#details-title") == name
    assert again.inner_text("#page") == "Page 2"
    assert again.is_checked("[name=modality][value=image]")
    page.go_back()
    page.wait_for_selector("#details", state="hidden")
    page.go_back()
    until(page, "document.querySelector('#page').textContent === 'Page 1'")


def test_details_tell_why_and_what_is_similar(open_page: Open) -> None:
    page = open_page("/?q=a+disc&modality=image&type=image/*")
    faces(page).first.click()
    page.wait_for_selector("#details .strip li")
    told = page.inner_text("#details .body")
    assert "Why it matched" in told
    assert " of " in page.inner_text("#details tbody tr")
    page.click("#details .links .main")
    faces(page)
    assert "like=" in page.url
    assert page.inner_text("#asked").startswith("Like picture_")


def test_likes_recommend_and_the_address_keeps_them_and_how_much_colours_count(
    open_page: Open,
) -> None:
    page = open_page("/?q=a+disc&modality=image&type=image/*")
    given = []
    for number, side in enumerate(("likes", "likes", "dislikes")):
        given.append(faces(page).nth(number).get_attribute("data-chunk"))
        assert page.is_visible("#taste") == (number > 0)
        faces(page).nth(number).click()
        page.click(f"#details [data-side={side}]")
        assert page.get_attribute(f"#details [data-side={side}]", "aria-pressed") == "true"
        page.keyboard.press("Escape")
        page.wait_for_selector("#details", state="hidden")
    page.click("#recommend")
    until(page, "document.querySelector('#summary').textContent.startsWith('Recommended')")
    assert not {face.get_attribute("data-chunk") for face in faces(page).all()} & set(given)
    assert page.get_attribute("#colours", "aria-valuetext") == "auto"
    page.focus("#diversity")
    page.keyboard.press("Tab")
    with page.expect_request("**/recommend") as sent:
        page.keyboard.press("End")  # of the colours
    asked = sent.value.post_data_json
    assert (asked["colours"], asked["diversity"], len(asked["likes"])) == (1, 0, 2)
    again = open_page("/" + page.url.split("/", 3)[3])
    faces(again)
    assert again.input_value("#colours") == "1"
    again.focus("#colours")
    with again.expect_request("**/recommend") as sent:
        again.keyboard.press("Home")
    assert sent.value.post_data_json["colours"] == 0
    assert again.get_attribute("#colours", "aria-valuetext") == "off"
    assert again.locator("#examples li").count() == 3
    again.click("#forget-taste")
    again.wait_for_selector("#taste", state="hidden")
    assert not {"likes", "colours"} & set(again.url.replace("?", "&").replace("=", "&").split("&"))


def test_example_is_liked_or_disliked_and_said_twice_taken_back(open_page: Open) -> None:
    page = open_page("/?q=a+disc&modality=image&type=image/*")
    faces(page).first.click()
    for side, number in (("likes", 1), ("dislikes", 1), ("dislikes", 0)):
        page.click(f"#details [data-side={side}]")
        assert page.locator("#examples li").count() == number
        assert page.locator("#details [aria-pressed=true]").count() == number
    page.keyboard.press("Escape")
    page.wait_for_selector("#taste", state="hidden")


def test_example_that_is_gone_is_told_and_can_be_forgotten(open_page: Open) -> None:
    page = open_page("/?likes=999999&colours=0.5")
    page.wait_for_selector("#notice.of-problem")
    assert "no longer there" in page.inner_text("#notice")
    page.click("#forget-taste")
    until(page, "document.querySelector('#notice').textContent.includes('Search by meaning')")


def test_film_plays_from_the_moment_that_matched(open_page: Open) -> None:
    page = open_page("/?q=a+disc&type=video/*&every=1")
    moments = faces(page).all_inner_texts()
    page.locator("#results .face").nth([("0:02" in text) for text in moments].index(True)).click()
    until(
        page,
        "document.querySelector('#details video')?.currentTime >= 1.9",
    )
    assert "Matched from 0:02" in page.inner_text("#details .stage")


def test_picture_is_searched_by_when_it_is_chosen_or_dropped(open_page: Open, site: Site) -> None:
    page = open_page("/?modality=image")
    own = site.folder / "pictures" / "picture_0001.png"
    page.set_input_files("#file", own)
    assert own.name in faces(page).first.inner_text()
    assert "picture_0001.png" in page.inner_text("#asked")
    page.click("#asked button")
    assert page.is_hidden("#asked")
    dropped = page.evaluate_handle(
        """async (bytes) => {
            const files = new DataTransfer();
            files.items.add(new File([new Uint8Array(bytes)], "dropped.png", {type: "image/png"}));
            return files;
        }""",
        list(own.read_bytes()),
    )
    page.dispatch_event("body", "dragover", {"dataTransfer": dropped})
    assert page.is_visible("#drop")
    page.dispatch_event("body", "drop", {"dataTransfer": dropped})
    assert own.name in faces(page).first.inner_text()
    assert page.is_hidden("#drop")


def test_keyboard_alone_is_enough(open_page: Open) -> None:
    page = open_page("/?q=a+disc")
    faces(page)
    page.press("body", "/")
    assert page.evaluate("document.activeElement.id") == "q"
    page.press("#q", "ArrowDown")
    page.keyboard.press("ArrowRight")
    chosen = page.evaluate("document.activeElement.dataset.chunk")
    assert chosen == page.locator("#results .face").nth(1).get_attribute("data-chunk")
    page.keyboard.press("Enter")
    page.wait_for_selector("#details dl")
    assert f"chunk={chosen}" in page.url
    page.keyboard.press("ArrowRight")
    third = page.locator("#results .face").nth(2).get_attribute("data-chunk")
    page.wait_for_url(f"**chunk={third}*")
    page.keyboard.press("Escape")
    page.wait_for_selector("#details", state="hidden")
    # The browser tells the page of it a moment later.
    until(page, f"document.activeElement.dataset.chunk === '{third}'")


def test_mistakes_and_empty_answers_offer_a_way_on(open_page: Open) -> None:
    page = open_page("/?q=a+disc&min=lots")
    page.wait_for_selector("#notice.of-problem")
    assert "example: size>100kB" in page.inner_text("#notice")
    page.click("#notice button")
    faces(page)
    page.goto(page.url + "&path=nowhere")
    page.wait_for_selector("#notice:not([hidden])")
    assert "Nothing found" in page.inner_text("#notice")
    page.click("#notice button")
    faces(page)


@pytest.mark.parametrize(
    ("text", "name"),
    [("pictures", "picture_"), ("cture_0001", "picture_0001.png"), ("tures/pic", "picture_")],
)
def test_path_filter_looks_into_folders_and_names(open_page: Open, text: str, name: str) -> None:
    page = open_page(f"/?q=a+disc&path={text}")
    assert all(name in told for told in faces(page).all_inner_texts())


def test_names_that_look_like_markup_stay_text(open_page: Open) -> None:
    page = open_page("/?q=<img+src=x+onerror=alert(1)>")
    faces(page)
    assert page.input_value("#q") == "<img src=x onerror=alert(1)>"
    assert page.locator("img[src=x]").count() == 0
    blocked = page.evaluate(
        """() => { try { document.body.innerHTML = "<b>x</b>"; return ""; }
                   catch (error) { return error.name; } }"""
    )
    assert blocked == "TypeError"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_a_phone_in_light_and_dark(open_page: Open, scheme: str) -> None:
    page = open_page(
        "/?q=a+disc", viewport={"width": 360, "height": 740}, color_scheme=scheme, has_touch=True
    )
    faces(page)
    page.click("#toggle-filters")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
    page.locator("#results .face").first.click()
    page.wait_for_selector("#details dl")
    assert page.evaluate("document.querySelector('#details').scrollWidth") <= 360
    page.click("#details .close")
    page.click("#theme")
    turned = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert turned != paper


def test_everything_that_can_be_pressed_has_a_name(open_page: Open) -> None:
    page = open_page("/?q=a+disc")
    faces(page).first.click()
    page.wait_for_selector("#details dl")
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, a, input:not([type=file]), select")]
            .filter((element) => !element.hidden && element.checkVisibility())
            .filter((element) => !(element.getAttribute("aria-label") || element.labels?.length
                                   || element.textContent.trim()))
            .map((element) => element.outerHTML)"""
    )
    assert nameless == []
    assert page.locator("img:not([alt])").count() == 0


def test_token_in_the_address_is_kept_and_taken_away(chromium: Any, site: Site) -> None:
    with served(replace(site.settings, token="a secret of some length")) as address:
        page = chromium.new_context().new_page()
        assert page.goto(address).status == 401
        page.goto(f"{address}/?token=a+secret+of+some+length&q=a+disc")
        faces(page)
        assert "token" not in page.url
        page.context.close()


def test_parts_of_a_query_are_chips_that_can_be_taken_out(open_page: Open) -> None:
    page = open_page()
    searched(page, 'a disc + "a bar" - "night"')
    chips = page.locator("#parts li")
    assert page.input_value("#q") == "a disc"
    assert [text.split("\n")[-1] for text in chips.all_inner_texts()] == ["a bar", "night"]
    assert "plus=a+bar" in page.url
    faces(page).first.click()
    page.wait_for_selector("#details dl")
    page.click("text=Less of this")
    until(page, "document.querySelectorAll('#parts li').length === 3")
    faces(page)
    page.click("[aria-label='Remove a bar']")
    until(page, "document.querySelectorAll('#parts li').length === 2")
    assert "plus=" not in page.url
    assert page.url.count("minus=") == 2


def test_hits_below_a_least_strength_are_hidden(open_page: Open) -> None:
    page = open_page("/?q=a+disc&strength=strong")
    until(page, "document.querySelector('#notice h2')?.textContent === 'Nothing found'")
    assert page.input_value("[name=strength]") == "strong"
    page.click("#notice button")
    faces(page)
    assert "strength" not in page.url
