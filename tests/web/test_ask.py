"""The API answers a question by sentences of the sources, each with its place."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

URL = "/api/v1/ask"


def asked(client: TestClient, status: int = 200, **params: Any) -> Any:
    answer = client.get(URL, params=params)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_answer_quotes_the_sentence_and_names_its_source(client: TestClient) -> None:
    found = asked(client, q="when does the ferry leave?", where=["path=*harbour.md"])
    [source] = found["sources"]
    assert (source["number"], source["uri"].rpartition("/")[2]) == (1, "harbour.md")
    quotes = [quote for each in source["evidence"] for quote in each["quotes"]]
    assert any("ferry" in quote for quote in quotes)
    assert source["evidence"][0]["hit"]["name"] == "harbour.md"


def test_as_many_sources_as_asked_for_come_numbered(client: TestClient) -> None:
    found = asked(client, q="a drawing", k=3, modality="image")
    assert [source["number"] for source in found["sources"]] == [1, 2, 3]


@pytest.mark.parametrize(
    "params", [{"q": " "}, {"q": "x", "k": 21}, {"q": "x", "modality": "smell"}]
)
def test_question_out_of_bounds_is_refused(client: TestClient, params: dict[str, Any]) -> None:
    assert asked(client, 422, **params)["error"] == "invalid_request"


def test_question_without_words_is_told(client: TestClient) -> None:
    assert "nothing is asked" in asked(client, 400, q="?!")["detail"]
