"""An agent searches, looks and reads by a real client of the protocol, and never writes."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from PIL import Image

from crossmodal.web.served import ServedCollection
from tests.web.conftest import Site

pytest.importorskip("mcp", reason="the protocol's package is an extra")

from mcp import Client, StdioServerParameters

from crossmodal.web.agents import make_server

TOOLS = {"search", "ask", "similar", "open_chunk", "show", "status"}


@pytest.fixture(scope="module")
def ask(site: Site) -> Callable[..., Any]:
    """Return a call of one tool by a client that is connected to the server in this process."""
    server = make_server(ServedCollection(site.settings))

    def call(tool: str, **arguments: Any) -> Any:
        return _run(server, lambda client: client.call_tool(tool, arguments))

    return call


def _run(server: Any, use: Callable[[Client], Awaitable[Any]]) -> Any:
    async def connected() -> Any:
        async with Client(server) as client:
            return await use(client)

    return anyio.run(connected)


def hits(found: Any) -> list[dict[str, Any]]:
    assert not found.is_error, found.content
    return list(found.structured_content["hits"])


def said(found: Any) -> str:
    assert found.is_error
    return str(found.content[0].text)


def test_every_tool_says_that_it_only_reads(site: Site) -> None:
    server = make_server(ServedCollection(site.settings))
    listed = _run(server, lambda client: client.list_tools()).tools
    assert {tool.name for tool in listed} == TOOLS
    assert all(tool.annotations.read_only_hint for tool in listed)
    assert all(tool.description for tool in listed)


def test_agent_finds_the_passage_and_opens_what_stands_around_it(ask: Callable[..., Any]) -> None:
    [best] = hits(ask("search", text="High water comes twice a day", k=1, mode="words"))
    assert best["name"] == "harbour.md"
    opened = ask("open_chunk", chunk_id=best["chunk_id"]).structured_content
    assert opened["chunk"]["text"] == best["text"]
    assert "harbour.md" in opened["copies"][0]["uri"]


def test_conditions_and_modalities_limit_the_hits_as_in_the_api(ask: Callable[..., Any]) -> None:
    found = hits(ask("search", text="a boat", where=["path=*.pdf"], modalities=["text"], k=50))
    assert found
    assert {hit["name"] for hit in found} == {"report.pdf"}
    assert {hit["modality"] for hit in found} == {"text"}


def test_agent_is_told_which_sentence_answers_and_where_it_stands(ask: Callable[..., Any]) -> None:
    found = ask("ask", question="when does the ferry leave?", where=["path=*harbour.md"])
    assert not found.is_error, found.content
    [source] = found.structured_content["sources"]
    assert any("ferry" in quote for quote in source["evidence"][0]["quotes"])


def test_agent_sees_a_picture_as_a_picture(ask: Callable[..., Any]) -> None:
    [best] = hits(ask("search", text="a drawing", modalities=["image"], where=["path=*.jpg"], k=1))
    [shown] = ask("show", chunk_id=best["chunk_id"], side=160).content
    assert shown.type == "image"
    picture = Image.open(io.BytesIO(base64.b64decode(shown.data)))
    assert max(picture.size) <= 160
    assert shown.mime_type == f"image/{(picture.format or '').lower()}"


def test_similar_chunks_do_not_include_the_chunk_itself(ask: Callable[..., Any]) -> None:
    [best] = hits(ask("search", text="a drawing", modalities=["image"], k=1))
    found = hits(ask("similar", chunk_id=best["chunk_id"], modalities=["image"]))
    assert found
    assert best["chunk_id"] not in {hit["chunk_id"] for hit in found}


def test_status_counts_what_the_collection_holds(ask: Callable[..., Any], site: Site) -> None:
    told = ask("status").structured_content
    assert told["path"] == str(site.collection)
    assert told["num_chunks"] > 30


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("open_chunk", {"chunk_id": 2**62}, "no chunk"),
        ("search", {"text": "x", "where": ["colour=red"]}, "colour"),
        ("search", {"text": "x", "k": 101}, "100"),
        ("search", {"text": ""}, "1 character"),
        ("search", {"text": "x", "modalities": ["smell"]}, "image"),
    ],
)
def test_wrong_call_is_answered_in_a_sentence(
    ask: Callable[..., Any], tool: str, arguments: dict[str, Any], words: str
) -> None:
    assert words in said(ask(tool, **arguments))


def test_file_that_changed_since_is_not_shown(ask: Callable[..., Any]) -> None:
    found = hits(ask("search", text="a drawing", where=["path=*/pictures/*"], k=5))
    chosen = next(hit for hit in found if hit["num_copies"] == 1)
    path = Path(chosen["uri"])
    content, times = path.read_bytes(), path.stat()
    try:
        path.write_bytes(content + b"more")
        assert "changed since" in said(ask("show", chunk_id=chosen["chunk_id"]))
    finally:
        path.write_bytes(content)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.process
def test_command_serves_a_client_on_standard_input(site: Site) -> None:
    command = site.shell.command("mcp")
    server = StdioServerParameters(
        command=str(command[0]),
        args=[str(each) for each in command[1:]],
        env=site.shell.environment,
    )
    found = _run(
        server, lambda client: client.call_tool("search", {"text": "the ferry at noon", "k": 3})
    )
    assert "harbour.md" in {hit["name"] for hit in hits(found)}
