"""One query of many parts over HTTP: texts and chunks, never the server's files."""

from __future__ import annotations

from typing import Any

from starlette.testclient import TestClient

from tests.web.conftest import Site


def found(client: TestClient, **params: Any) -> Any:
    return client.get("/api/v1/search", params={"q": "a red square", "k": 30, **params})


def ids(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [hit["chunk_id"] for hit in answer.json()["hits"]]


def test_parts_change_what_is_found_and_a_chunk_does_not_find_itself(client: TestClient) -> None:
    plain = ids(found(client))
    mixed = ids(found(client, plus=["0.5:a blue disc"], minus=[str(plain[0])]))
    assert mixed != plain
    assert plain[0] not in mixed


def test_a_path_is_a_text_and_no_file_is_read(client: TestClient, site: Site) -> None:
    named = ids(found(client, plus=["/etc/passwd"]))
    assert named
    assert found(client, plus=["/no/such/file.jpg"]).status_code == 200


def test_parts_that_make_no_sense_are_refused(client: TestClient) -> None:
    assert found(client, minus=["999999"]).status_code == 404
    assert found(client, plus=["0:nothing"]).status_code == 400
    assert found(client, plus=["a"] * 9).status_code == 422
    assert found(client, plus=["a"], mode="words").status_code == 400
