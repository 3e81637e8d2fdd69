"""The page shows where in a picture a reranker of pages found the words."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from tests import tiny_rerankers as tiny
from tests.web.browser import faces, opener, served, until
from tests.web.conftest import Site

API = "/api/v1"
ASKED = {"q": "a disc and a bar", "modality": "image", "where": "type=image/*"}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.build_col_qwen2(tmp_path_factory.mktemp("pages") / "col-qwen2"))


def test_hits_that_a_model_of_pages_ordered_lead_to_their_map(
    open_client: Callable[..., TestClient], pages: str
) -> None:
    with open_client(rerank=pages, rerank_deadline_ms=0, device="cpu") as client:
        answer = client.get(f"{API}/search", params=ASKED).json()
        assert answer["reranked_by"].startswith("col-qwen2@")
        shown = client.get(answer["hits"][0]["why"])
    assert shown.headers["content-type"] == "image/jpeg"
    with Image.open(io.BytesIO(shown.content)) as drawn:
        colours = np.asarray(drawn.convert("RGB")).astype(int)
    assert (colours[..., 0] - colours[..., 2]).max() > 30


def test_without_such_a_model_no_hit_has_a_map_and_the_reason_is_told(
    client: TestClient, open_client: Callable[..., TestClient], tmp_path: Path
) -> None:
    hit = client.get(f"{API}/search", params=ASKED).json()["hits"][0]
    assert hit["why"] is None
    told = client.get(f"{API}/why/{hit['chunk_id']}", params={"q": "a disc"})
    assert (told.status_code, told.json()["error"]) == (404, "no_map")
    colbert = str(tiny.build_colbert(tmp_path / "colbert"))
    with open_client(rerank=colbert, device="cpu") as texts:
        told = texts.get(f"{API}/why/{hit['chunk_id']}", params={"q": "a disc"})
    assert "gives no map of a picture" in told.json()["detail"]


def test_what_may_not_be_shown_is_not_drawn_over(
    open_client: Callable[..., TestClient], own_site: Site, pages: str
) -> None:
    with open_client(collection=str(own_site.collection), rerank=pages, device="cpu") as client:
        hit = client.get(f"{API}/search", params=ASKED).json()["hits"][0]
        Path(hit["uri"]).unlink()
        told = client.get(f"{API}/why/{hit['chunk_id']}", params={"q": "a disc"})
        assert (told.status_code, told.json()["error"]) == (404, "missing")
        assert client.get(f"{API}/why/999999", params={"q": "a disc"}).status_code == 404


@pytest.mark.browser
def test_a_person_looks_at_the_map_and_back_at_the_picture(
    chromium: Any, site: Site, pages: str
) -> None:
    settings = replace(site.settings, rerank=pages, rerank_deadline_ms=0, device="cpu")
    with served(settings) as address, opener(chromium, address) as open_page:
        page = open_page("/?q=a+disc&modality=image&type=image/*")
        faces(page).first.click()
        page.click("#details button:has-text('Show where it matches')")
        until(page, "document.querySelector('#details img.map')?.naturalWidth > 0")
        page.click("#details button:has-text('Show it as it is')")
        assert page.locator("#details img.map").count() == 0
        assert page.locator("#details .stage img").count() == 1
