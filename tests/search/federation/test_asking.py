"""Several collections are searched as one: files here and a real served one, sound and broken."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import duckdb
import pytest
from PIL import Image

import crossmodal
from crossmodal.errors import FilterError, ModelMismatch, PathError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.lock import exclusive
from crossmodal.search.answer import Answer
from crossmodal.search.federation.asking import NobodyAnswers, many_collections
from crossmodal.search.options import QueryOptions
from crossmodal.search.service import Query, SearchService
from tests.search.federation.conftest import FEW, TOKEN, Keep, Shelves, serving

pytestmark = pytest.mark.usefixtures("no_tokens")
TEXTS = ("a boat", "red", "the sea at night")
OPTIONS = QueryOptions(collection="many", device="cpu")


def asked(given: list[str], text: str = "a boat", deadline_s: float = 30, **changes: Any) -> Answer:
    many = many_collections(given, deadline_s)
    return many.ask(Query(text=text), replace(OPTIONS, **changes))


def uris(answer: Answer) -> list[str]:
    return [hit.uri for hit in answer.hits]


def absent(answer: Answer) -> dict[str, str]:
    return {each.collection: each.reason for each in answer.unanswered}


@pytest.mark.parametrize("text", TEXTS)
def test_two_collections_answer_as_one_that_holds_both(shelves: Shelves, text: str) -> None:
    """The few would push themselves forward if each merit were told of its own list."""
    whole = SearchService(Collection(shelves.whole)).ask(Query(text=text), OPTIONS)
    both = asked(shelves.both, text)
    assert len(set(uris(whole)) & set(uris(both))) >= 9
    assert both.hits[0].uri == whole.hits[0].uri
    assert both.hits[0].merit == pytest.approx(whole.hits[0].merit, abs=0.3)
    assert {hit.collection for hit in both.hits} <= set(shelves.both)
    assert all((hit.collection == shelves.few) == (hit.uri in FEW_URIS) for hit in both.hits)
    assert [hit.rank for hit in both.hits] == list(range(1, 11))
    assert both.unanswered == []


FEW_URIS = {f"/things/{i}" for i in FEW}


def test_one_collection_among_many_answers_as_by_itself(shelves: Shelves) -> None:
    alone = SearchService(Collection(shelves.few)).ask(Query(text="red"), OPTIONS)
    among = asked([shelves.few], "red")
    assert [(h.uri, h.merit, h.strength) for h in among.hits] == [
        (h.uri, h.merit, h.strength) for h in alone.hits
    ]
    assert (among.has_more, among.stands_out) == (alone.has_more, alone.stands_out)


def test_served_collection_answers_as_the_file_does(shelves: Shelves, served: str) -> None:
    for changes in ({}, {"k": 40, "offset": 5}, {"modalities": ("image",), "group": False}):
        files = asked(shelves.both, **changes)
        mixed = asked([shelves.few, served], **changes)
        assert uris(mixed) == uris(files)
        assert [h.merit for h in mixed.hits] == pytest.approx([h.merit for h in files.hits])
        assert {h.collection for h in mixed.hits} <= {shelves.few, served}


def test_pages_join_without_gap_or_repetition(shelves: Shelves, served: str) -> None:
    given = [shelves.few, served]
    whole = asked(given, k=25, offset=0)
    pages = [asked(given, k=5, offset=at) for at in range(0, 25, 5)]
    assert [uri for page in pages for uri in uris(page)] == uris(whole)
    assert all(page.has_more for page in pages)
    assert len(set(uris(whole))) == 25
    last = asked(given, k=25, offset=390)
    assert (len(last.hits), last.has_more) == (10, False)


def test_picture_is_sent_to_whom_it_asks(shelves: Shelves, served: str, tmp_path: Path) -> None:
    file = tmp_path / "asked.png"
    Image.effect_noise((64, 48), 90).convert("RGB").save(file)
    mixed = many_collections([shelves.few, served]).ask(Query(picture=str(file)), OPTIONS)
    assert len(mixed.hits) == 10
    assert mixed.unanswered == []
    with pytest.raises(PathError, match="cannot be read"):
        many_collections([served]).ask(Query(picture=str(tmp_path / "none.png")), OPTIONS)


def test_filters_hold_everywhere(shelves: Shelves, served: str) -> None:
    found = asked([shelves.few, served], where=["path=/things/3*"], k=50)
    assert found.hits
    assert all(hit.uri.startswith("/things/3") for hit in found.hits)
    with pytest.raises(FilterError):
        asked([shelves.few, served], where=["no condition"])


def test_words_alone_take_turns(shelves: Shelves) -> None:
    found = asked(shelves.both, "words", mode="words", k=6)
    assert [hit.collection for hit in found.hits] == shelves.both * 3
    assert [hit.merit for hit in found.hits] == [None] * 6
    assert "take turns" in found.notices[0]


def test_source_in_two_collections_is_one_hit(shelves: Shelves) -> None:
    found = asked([shelves.whole, shelves.most], k=100)
    assert len(set(uris(found))) == 100


def test_weaker_hits_are_hidden_by_what_they_are_among_all(shelves: Shelves) -> None:
    text = "the sea at night"
    likely = asked(shelves.both, text, min_strength="likely", k=100)
    every = asked(shelves.both, text, k=100)
    wanted = [hit.uri for hit in every.hits if hit.strength in ("likely", "strong")]
    assert uris(likely) == wanted
    assert not likely.has_more


def test_who_cannot_answer_is_named_and_the_rest_answers(
    shelves: Shelves, tmp_path: Path, tiny_clip: Path
) -> None:
    damaged, newer, moved = (tmp_path / f"{name}.duckdb" for name in ("damaged", "newer", "moved"))
    damaged.write_bytes(Path(shelves.few).read_bytes()[:9000] + b"\xff" * 50_000)
    shutil.copy(shelves.few, newer)
    shutil.copy(shelves.few, moved)
    with duckdb.connect(str(newer)) as con:
        con.execute("INSERT INTO schema_migration VALUES (9999, 'later', now())")
    with duckdb.connect(str(moved)) as con:
        con.execute("UPDATE model_version SET name = '/nowhere/model'")
    gone, closed = str(tmp_path / "gone.duckdb"), "http://127.0.0.1:1"
    found = asked([shelves.few, gone, str(damaged), str(newer), str(moved), closed])
    assert absent(found) == {
        gone: "missing",
        str(damaged): "damaged",
        str(newer): "another_schema",
        str(moved): "no_model",
        closed: "unreachable",
    }
    assert {hit.collection for hit in found.hits} == {shelves.few}
    assert len(found.hits) == 10
    told = found.to_dict()["unanswered"][0]
    assert told.keys() == {"collection", "reason", "detail"}


def test_locked_collection_and_silent_server_are_not_waited_for(
    shelves: Shelves, tmp_path: Path
) -> None:
    busy = tmp_path / "busy.duckdb"
    shutil.copy(shelves.few, busy)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        asked([shelves.few])  # so that no model is to be loaded below
        with exclusive(busy, 10):
            started = time.monotonic()
            found = asked([shelves.few, str(busy), address], deadline_s=3)
            took_s = time.monotonic() - started
    assert found.hits
    assert set(absent(found)) == {str(busy), address}
    assert absent(found)[address] == "slow"
    assert took_s < 10


def test_nobody_answers_is_an_error_that_names_everybody(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone.duckdb")
    with pytest.raises(NobodyAnswers, match="none of the 2") as refused:
        asked([gone, "http://127.0.0.1:1"])
    assert {each.reason for each in refused.value.absent} == {"missing", "unreachable"}


def test_token_lets_in_and_is_never_shown(shelves: Shelves, keep: Keep) -> None:
    with serving(shelves.few, TOKEN) as address:
        refused = asked([shelves.most, address])
        assert absent(refused) == {address: "no_token"}
        keep(f"{address} {TOKEN}\n")
        found = asked([shelves.most, address])
        assert found.unanswered == []
        assert TOKEN not in str(found.to_dict())
        assert TOKEN not in repr(many_collections([address]))
        keep(f"{address} another-token\n")
        wrong = asked([shelves.most, address])
        assert absent(wrong) == {address: "no_token"}
        assert "another-token" not in str(wrong.to_dict())


HOSTILE = {
    "no json": (200, b"<html>hello</html>", "another_schema"),
    "not finite": (
        200,
        b'{"model": "m", "next_offset": null, "notices": [], "hits": [{"merit": NaN}]}',
        "another_schema",
    ),
    "deep": (200, b"[" * 100_000, "another_schema"),
    "sends away": (302, b"", "refused"),
    "failed": (500, b"oops", "refused"),
    "breaks off": (200, None, "unreachable"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_server_that_answers_something_else_is_named(shelves: Shelves, case: str) -> None:
    status, body, reason = HOSTILE[case]
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(body if body is not None else b"x" * 99)))
            self.end_headers()
            self.wfile.write(body if body is not None else b"{")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        found = asked([shelves.few, address])
        server.shutdown()
    assert absent(found) == {address: reason}
    assert len(found.hits) == 10
    assert not any("elsewhere" in path for path in seen)


def test_what_is_of_one_collection_is_refused(shelves: Shelves, served: str) -> None:
    many = many_collections(shelves.both)
    with pytest.raises(FilterError, match="chunk's number"):
        many.ask(Query(chunk_id=1), OPTIONS)
    for changes in ({"expand": 1}, {"rerank": "model"}, {"neighbours": 0.5}):
        with pytest.raises(FilterError, match="one collection"):
            many.ask(Query(text="a"), replace(OPTIONS, **changes))
    with pytest.raises(ModelMismatch, match="leave --model out"):
        asked([shelves.few, served], model="1")


def test_python_opens_a_list_as_one(shelves: Shelves, served: str, tmp_path: Path) -> None:
    gone = str(tmp_path / "gone.duckdb")
    opened = crossmodal.open([shelves.few, served, gone], device="cpu", deadline_s=60)
    hits = opened.search("a boat", k=5)
    assert [hit.path for hit in hits] == uris(asked([shelves.few, served], k=5))
    assert {hit.collection for hit in hits} <= {shelves.few, served}
    assert gone in hits.unanswered[0]
    assert "collection" in str(hits)
    assert [h.path for h in opened.search("a boat", k=3, offset=2)] == [h.path for h in hits][2:]
