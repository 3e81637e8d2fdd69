"""What a reviewer hides comes back by no door until the decision is taken back or it is asked for.

One photo of the collection is hidden; each test knocks at one door.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.testclient import TestClient

import crossmodal
from crossmodal.errors import FilterError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.chunks import find_chunk
from crossmodal.ledger.write.saved_searches import SavedSearch
from crossmodal.records import Hit
from crossmodal.search import saved
from crossmodal.web.app import make_app
from crossmodal.web.settings import UiSettings
from tests.moderation.hiding import hide, undo
from tests.web.conftest import HOME, Site, until_ready

API = "/api/v1"


@dataclass
class Door:
    """Hold a client of a collection in which a photo and a passage may be hidden."""

    client: TestClient
    collection: Collection
    photo: int
    hit: Hit

    @property
    def passage(self) -> int:
        return self.hit.chunk_id

    @property
    def said(self) -> str:
        return self.hit.text

    def json(self, path: str, status: int = 200, **params: Any) -> Any:
        answer = self.client.get(f"{API}{path}", params=params)
        assert answer.status_code == status, answer.text
        return answer.json()

    def found(self, path: str, **params: Any) -> set[int]:
        return {hit["chunk_id"] for hit in self.json(path, k=100, **params)["hits"]}


@pytest.fixture(scope="module")
def door(
    site: Site,
    chunks: dict[tuple[str, str], int],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Door]:
    path = tmp_path_factory.mktemp("hidden") / "c.duckdb"
    shutil.copy(site.collection, path)
    settings = replace(site.settings, collection=str(path))
    with TestClient(make_app(settings), base_url=HOME) as client:
        until_ready(client)
        with Collection(path).read() as con:
            passage = find_chunk(con, chunks["harbour.md", "passage"])
        assert passage is not None
        yield Door(client, Collection(path), chunks["letter.docx", "figure"], passage.hit)


@pytest.fixture
def hidden(door: Door) -> Iterator[Door]:
    numbers = hide(door.collection, door.photo, door.passage)
    yield door
    for number in numbers:
        undo(door.collection, number)


def test_search_leaves_it_out_and_undoing_brings_it_back(door: Door) -> None:
    asked = {"q": "a boat", "group": False}
    assert {door.photo, door.passage} <= door.found("/search", **asked)
    numbers = hide(door.collection, door.photo, door.passage)
    left = door.found("/search", **asked)
    assert left
    assert not {door.photo, door.passage} & left
    assert door.photo in door.found("/search", **asked, where=["hidden=any"])
    assert door.found("/search", **asked, where=["hidden=yes"]) == {door.photo, door.passage}
    for number in numbers:
        undo(door.collection, number)
    assert {door.photo, door.passage} <= door.found("/search", **asked)


def test_words_and_batches_leave_it_out(hidden: Door) -> None:
    assert hidden.passage not in hidden.found("/search", q=hidden.said, mode="words", group=False)
    body = {"queries": [hidden.said, "a boat"]}
    answer = hidden.client.post(f"{API}/search/batch?k=100&group=false", json=body).json()
    for found in answer["answers"]:
        assert not {hidden.photo, hidden.passage} & {h["chunk_id"] for h in found["hits"]}


def test_similar_and_recommended_leave_it_out(hidden: Door) -> None:
    [other] = [i for i in hidden.found("/search", q="a drawing", where=["path=*3.png"])][:1]
    assert hidden.photo not in hidden.found(f"/similar/{other}", group=False)
    for likes in ([other], []):
        taste = {"likes": likes, "k": 100}
        answer = hidden.client.post(f"{API}/recommend", json=taste).json()
        found = {hit["chunk_id"] for hit in answer["hits"]}
        assert found
        assert not {hidden.photo, hidden.passage} & found
    seen = {"likes": [other], "k": 100, "where": ["hidden=any", "path=*letter.docx"]}
    answer = hidden.client.post(f"{API}/recommend", json=seen).json()
    assert answer["hits"]


def test_an_answer_cites_nothing_of_it(hidden: Door) -> None:
    def cited() -> set[int]:
        found = hidden.json("/ask", q=hidden.said, k=20)
        return {e["hit"]["chunk_id"] for s in found["sources"] for e in s["evidence"]}

    assert hidden.passage not in cited()


def test_neither_details_nor_picture_nor_file_are_given_unless_asked_for(hidden: Door) -> None:
    for path in ("chunk", "thumbnail", "source"):
        said = hidden.json(f"/{path}/{hidden.photo}", 404)
        assert said["error"] == "hidden"
        assert "review queue" in said["hint"]
        assert hidden.client.get(f"{API}/{path}/{hidden.photo}?hidden=true").status_code == 200


def test_python_leaves_it_out(hidden: Door) -> None:
    opened = crossmodal.open(hidden.collection.path, device="cpu")
    for where in ((), ("hidden=any",)):
        hits = opened.search("a boat", k=100, where=where, modalities="image")
        assert (hidden.photo in {hit.chunk_id for hit in hits}) == bool(where)


def test_saved_search_does_not_alert_of_it(hidden: Door, tmp_path: Path) -> None:
    own = Collection(tmp_path / "c.duckdb")
    shutil.copy(hidden.collection.path, own.path)
    for name, where in (("plain", []), ("all", ["hidden=any"])):
        search = SavedSearch(
            name=name,
            text=f'"{hidden.said}"',
            conditions=where,
            modalities=["text"],
            min_strength="weak",
        )
        saved.save(own, search)
    with own.write() as con:
        con.execute("UPDATE saved_search SET told_seq = 0")
    found = {each.search.name: each for each in saved.new_matches(own, "cpu")}
    told = {name: {hit.chunk_id for hit in each.hits} for name, each in found.items()}
    assert hidden.passage in told["all"]
    assert hidden.passage not in told["plain"]


def test_agent_neither_finds_nor_opens_it(hidden: Door) -> None:
    pytest.importorskip("mcp", reason="the protocol's package is an extra")
    from mcp import Client

    from crossmodal.web.agents import make_server
    from crossmodal.web.served import ServedCollection

    settings = UiSettings(collection=str(hidden.collection.path))
    server = make_server(ServedCollection(settings))

    async def talk() -> list[Any]:
        async with Client(server) as client:
            return [
                await client.call_tool("search", {"text": hidden.said, "k": 100}),
                await client.call_tool("open_chunk", {"chunk_id": hidden.passage}),
                await client.call_tool("show", {"chunk_id": hidden.photo}),
            ]

    found, opened, shown = anyio.run(talk)
    ids = {hit["chunk_id"] for hit in found.structured_content["hits"]}
    assert ids
    assert not {hidden.photo, hidden.passage} & ids
    assert opened.is_error
    assert shown.is_error
    assert "is hidden" in str(opened.content)


def test_unknown_word_for_hidden_is_refused(door: Door) -> None:
    said = door.json("/search", 400, q="a boat", where=["hidden=maybe"])
    assert "no, yes or any" in said["detail"]
    with pytest.raises(FilterError, match="it takes ="):
        crossmodal.open(door.collection.path, device="cpu").search("a boat", where=["hidden!=yes"])
