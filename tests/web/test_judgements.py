"""What people say of hits is kept, and becomes a set that evaluates."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from crossmodal.evaluation.evaluate import EvaluateSpec, evaluate
from crossmodal.evaluation.judgements import export_judgements, said_of_models
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write.judgements import standing_judgements
from crossmodal.search.options import QueryOptions
from crossmodal.web.app import make_app
from tests.web.browser import faces, opener, searched, served, until
from tests.web.conftest import HOME, Site, until_ready

API = "/api/v1"


@pytest.fixture
def own(own_site: Site) -> Iterator[TestClient]:
    settings = replace(own_site.settings, collection=str(own_site.collection))
    with TestClient(make_app(settings), base_url=HOME) as client:
        until_ready(client)
        yield client


def say(client: TestClient, hit: dict[str, Any], fits: bool | None, **changes: Any) -> Any:
    said = {"query": "a disc", "chunk_id": hit["chunk_id"], "rank": hit["rank"], "model": "m"}
    return client.post(f"{API}/judgements", json=said | {"fits": fits} | changes)


def standing(site: Site) -> list[Any]:
    with Collection(site.collection).read() as con:
        return standing_judgements(con)


def test_judgements_become_a_set_that_evaluates(
    own: TestClient, own_site: Site, tmp_path: Path
) -> None:
    found = own.get(f"{API}/search", params={"q": "a disc", "modality": "image", "type": "image/*"})
    hits = [hit for hit in found.json()["hits"] if hit["kind"] == "image"][:3]
    assert say(own, hits[0], True).json() == {"fits": True}
    say(own, hits[1], False)
    say(own, hits[0], True, query_kind="chunk", query=str(hits[2]["chunk_id"]))
    done = export_judgements(Collection(own_site.collection), tmp_path / "set")
    assert (done.num_queries, done.num_judgements, done.num_pairs) == (2, 3, 1)
    with (tmp_path / "set" / "pairs.csv").open() as file:
        assert list(csv.reader(file)) == [["path", "caption"], [hits[0]["uri"], "a disc"]]
    query = QueryOptions(collection=str(own_site.collection), k=100)
    scored = evaluate(EvaluateSpec(set_path=str(tmp_path / "set"), query=query)).record
    by_pair = {pair.pair: pair for pair in scored.pairs}
    assert by_pair["text->image"].measures["hit@1"].value in (0.0, 1.0)
    assert by_pair["text->image"].num_queries == 1


def test_latest_word_of_a_person_counts_and_can_be_taken_back(
    own: TestClient, own_site: Site
) -> None:
    hit = own.get(f"{API}/search", params={"q": "a disc"}).json()["hits"][0]
    for fits in (True, False):
        say(own, hit, fits, who="Ada")
    say(own, hit, True, who="Bob")
    assert [(each.who, each.fits) for each in standing(own_site)] == [("Ada", False), ("Bob", True)]
    say(own, hit, None, who="Ada")
    assert [each.who for each in standing(own_site)] == ["Bob"]
    told = said_of_models(standing(own_site))
    assert [(each.model, each.num_judged, each.share) for each in told] == [("m", 1, 1.0)]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"chunk_id": 999_999}, 404),
        ({"chunk_id": 0}, 422),
        ({"query": " "}, 422),
        ({"query_kind": "chunk", "query": "no number"}, 422),
        ({"rank": 0}, 422),
        ({"who": "x" * 101}, 422),
        ({"more": 1}, 422),
    ],
)
def test_what_cannot_be_kept_is_refused(
    open_client: Callable[..., TestClient], changes: dict[str, Any], status: int
) -> None:
    with open_client() as client:
        answer = say(client, {"chunk_id": 1, "rank": 1}, True, **changes)
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]


def test_another_site_cannot_judge(open_client: Callable[..., TestClient]) -> None:
    with open_client() as client:
        client.headers["sec-fetch-site"] = "cross-site"
        assert say(client, {"chunk_id": 1, "rank": 1}, True).status_code == 403


@pytest.mark.browser
def test_a_person_judges_with_mouse_and_keys(chromium: Any, own_site: Site) -> None:
    with served(own_site.settings) as address, opener(chromium, address) as open_page:
        page = open_page()
        searched(page, "a disc")
        card = page.locator("#results .card").first
        card.hover()
        card.locator("[data-fits=true]").click()
        until(page, "document.querySelectorAll('.verdict.given').length === 1")
        faces(page).nth(1).focus()
        page.keyboard.press("d")
        until(page, "document.querySelectorAll('.verdict.given').length === 2")
    said = sorted(standing(own_site), key=lambda each: each.rank)
    assert [(each.query, each.rank, each.fits) for each in said] == [
        ("a disc", 1, True),
        ("a disc", 2, False),
    ]
