"""The API recommends from chunks and texts, and reads no file that a client names."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.drawn import draw_picture
from tests.web.conftest import Site

URL = "/api/v1/recommend"


def asked(client: TestClient, status: int = 200, **taste: Any) -> Any:
    answer = client.post(URL, json=taste)
    assert answer.status_code == status, answer.text
    return answer.json()


def first_pictures(client: TestClient, num: int) -> list[int]:
    params: dict[str, Any] = {"q": "a drawing", "modality": "image", "k": num}
    found = client.get("/api/v1/search", params=params).json()
    return [hit["chunk_id"] for hit in found["hits"]]


def test_examples_never_come_back_and_each_hit_names_its_like(client: TestClient) -> None:
    like, dislike = first_pictures(client, 2)
    found = asked(client, likes=[like], dislikes=[dislike], k=5, modalities=["image"])
    assert len(found["hits"]) == 5
    assert not {like, dislike} & {hit["chunk_id"] for hit in found["hits"]}
    assert {hit["because"] for hit in found["hits"]} == {str(like)}


def test_without_any_example_a_varied_sample_comes(client: TestClient) -> None:
    found = asked(client, k=4, where=["path=*.md"])
    assert {hit["name"] for hit in found["hits"]} == {"harbour.md"}


def test_path_of_a_file_is_a_text_and_the_file_is_not_read(client: TestClient, site: Site) -> None:
    secret = site.outside / "secret.png"
    by_path = asked(client, likes=[str(secret)], k=3)
    draw_picture(5).save(secret)
    try:
        again = asked(client, likes=[str(secret)], k=3)
    finally:
        draw_picture(77).save(secret)
    assert [hit["score"] for hit in by_path["hits"]] == [hit["score"] for hit in again["hits"]]
    assert by_path["hits"][0]["because"] == str(secret)


@pytest.mark.parametrize(
    "taste",
    [
        {"likes": [0]},
        {"likes": [" "]},
        {"likes": list(range(1, 102))},
        {"k": 0},
        {"diversity": 1.5},
        {"strategy": "worst"},
        {"save": "mine"},
    ],
)
def test_taste_out_of_bounds_is_refused(client: TestClient, taste: dict[str, Any]) -> None:
    assert asked(client, 422, **taste)["error"] == "invalid_request"


def test_chunk_that_is_not_there_is_told(client: TestClient) -> None:
    assert "there is no chunk" in asked(client, 404, likes=[2**62])["detail"]


def test_wrong_condition_is_told(client: TestClient) -> None:
    assert asked(client, 400, where=["colour=red"])["error"] == "bad_filter"
