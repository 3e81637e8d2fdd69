"""A password or signature in a URL is kept nowhere: not in a collection, Prefect or a log."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import fsspec
import httpx
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from jsonschema import Draft202012Validator

from crossmodal.errors import PathError, Refused
from crossmodal.files.addresses import CheckedResolver, LedAstray, permitted
from crossmodal.files.read import read_source
from crossmodal.files.remote import RemoteFiles
from crossmodal.files.secrets import has_secret, without_secrets
from tests.shell import Shell

CANARY = "canary-77aa"
SECRET_URLS = [
    f"https://ada:{CANARY}@example.org/photos/",
    f"https://{CANARY}@example.org/photos/",
    f"ftp://ada:{CANARY}@example.org/a.png",
    f"https://b.s3.amazonaws.com/a.png?X-Amz-Date=2&X-Amz-Signature={CANARY}",
    f"https://a.blob.core.windows.net/c/a.png?sv=2024&sig={CANARY}",
    f"https://example.org/a.png?size=3&TOKEN={CANARY}",
    f"https://example.org/a.png#access_token={CANARY}",
]
HARMLESS = [
    "https://example.org/photos/a@b.png",
    "https://example.org/list?page=2&design=sig",
    "s3://photos/album/a:b@c.png",
    "abfss://container@account.dfs.core.windows.net/a",
    "/home/ada/token=3.png",
    "C:/photos/password=x.png",
    "",
]


@pytest.mark.parametrize("url", SECRET_URLS)
def test_url_with_a_secret_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(PathError) as caught:
        RemoteFiles(url)
    assert CANARY not in str(caught.value)
    assert "netrc" in str(caught.value)
    assert CANARY not in without_secrets(url)


@pytest.mark.parametrize("place", HARMLESS)
def test_other_places_are_taken(place: str) -> None:
    assert not has_secret(place)


def test_form_refuses_secrets_before_a_run_is_made() -> None:
    from flows.params.base import IndexParams

    schema = IndexParams.model_json_schema()
    of_paths = Draft202012Validator({**schema["properties"]["paths"], "$defs": {}})
    for url in SECRET_URLS:
        assert not of_paths.is_valid([url])
    for place in filter(None, HARMLESS):
        assert of_paths.is_valid([place])


@pytest.mark.process
def test_canary_is_found_nowhere(
    shell: Callable[..., Shell], prefect_server: str, tmp_path: Path
) -> None:
    made = shell()
    signed, named = SECRET_URLS[0], SECRET_URLS[3]
    refused = [made.run("index", signed, expect=2), made.run("index", named, "--json", expect=2)]
    refused.append(made.run("search", "--image", named, expect=1))
    said = "".join(done.stdout + done.stderr for done in refused)
    assert "signature" in said
    assert CANARY not in said
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and _holds(path)]
    for kind in ("flow_runs", "task_runs", "artifacts", "logs"):
        answer = httpx.post(f"{prefect_server}/{kind}/filter", json={}, timeout=30)
        assert CANARY not in json.dumps(answer.json())


def _holds(path: Path) -> bool:
    return CANARY.encode() in path.read_bytes()


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """Serve what only this machine may see."""

    class Inner(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "6")
            self.end_headers()
            self.wfile.write(b"inside")

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None: ...

    yield from _served(Inner, "127.0.0.1")


@pytest.fixture
def sender(elsewhere: str) -> Iterator[str]:
    """Serve redirects: to another host, and to another path of the same one."""

    class Outer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/end":
                self.send_response(200)
                self.send_header("Content-Length", "3")
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(b"end")
                return
            self.send_response(302)
            target = "/end" if self.path == "/within" else f"{elsewhere}/secret"
            self.send_header("Location", target)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None: ...

    for url in _served(Outer, "127.0.0.1"):
        yield url.replace("127.0.0.1", "localhost")


def _served(handler: Any, host: str) -> Iterator[str]:
    server = ThreadingHTTPServer((host, 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://{host}:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_redirect_to_another_host_is_not_followed(sender: str) -> None:
    with pytest.raises(Refused) as caught:
        read_source(f"{sender}/away", 1000)
    assert caught.value.reason == "unreadable"
    assert "not followed" in caught.value.detail


class Answers(AbstractResolver):
    """Answer each question after a name with the next address."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        address = self.addresses.pop(0) if len(self.addresses) > 1 else self.addresses[0]
        return [
            {"hostname": host, "host": address, "port": port, "family": socket.AF_INET}
            | {"proto": 0, "flags": socket.AI_NUMERICHOST}  # type: ignore[list-item]
        ]

    async def close(self) -> None: ...


@pytest.mark.parametrize(
    ("name", "answers", "refused"),
    [
        ("a.example", ["192.0.2.7", "127.0.0.1"], True),
        ("b.example", ["192.0.2.7", "169.254.169.254"], True),
        ("c.example", ["192.0.2.7", "::ffff:127.0.0.1"], True),
        ("d.example", ["192.0.2.7", "0.0.0.0"], True),
        ("e.example", ["192.0.2.7", "::1"], True),
        ("f.example", ["169.254.169.254"], True),
        ("g.example", ["fe80::1%eth0"], True),
        ("h.example", ["192.0.2.7", "192.0.2.8"], False),
        ("localhost", ["127.0.0.1"], False),
        ("photos.home", ["127.0.0.1"], False),
    ],
)
def test_name_leads_to_this_machine_only_if_it_always_did(
    name: str, answers: list[str], refused: bool
) -> None:
    async def ask() -> None:
        resolver = CheckedResolver(Answers(*answers))
        for _ in answers:
            await resolver.resolve(name, 80)

    with pytest.raises(LedAstray, match=name) if refused else nullcontext():
        asyncio.run(ask())


def test_rebound_name_is_refused_before_a_connection_is_made(
    elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = elsewhere.rpartition(":")[2]
    addresses = Answers("127.0.0.1")
    monkeypatch.setattr("crossmodal.files.addresses.DefaultResolver", lambda: addresses)
    fsspec.get_filesystem_class("http").clear_instance_cache()
    assert read_source(f"http://twice.example:{port}/a", 1000) == b"inside"
    permitted("twice.example", asyncio.run(Answers("192.0.2.7").resolve("twice.example")))
    fsspec.get_filesystem_class("http").clear_instance_cache()
    with pytest.raises(Refused) as caught:
        read_source(f"http://twice.example:{port}/a", 1000)
    assert "must not lead" in caught.value.detail
    fsspec.get_filesystem_class("http").clear_instance_cache()


def test_redirect_within_a_host_is_followed(sender: str) -> None:
    assert read_source(f"{sender}/within", 1000) == b"end"


def test_password_from_netrc_opens_a_web_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Guarded(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Authorization", "").startswith("Basic "):
                super().do_GET()
            else:
                self.send_error(401)

        def log_message(self, *_: object) -> None: ...

    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login ada password {CANARY}\n")
    netrc.chmod(0o600)
    (tmp_path / "a.txt").write_text("opened")
    monkeypatch.setenv("NETRC", os.fspath(netrc))
    for url in _served(partial(Guarded, directory=os.fspath(tmp_path)), "127.0.0.1"):
        assert read_source(f"{url}/a.txt", 1000) == b"opened"


def test_url_of_an_alert_is_kept_by_the_server_alone_and_shown_to_nobody(
    prefect_server: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from deployments.deploy import put_automations

    with temporary_settings({PREFECT_API_URL: prefect_server}):
        put_automations(f"https://hooks.example.org/services/{CANARY}")
    for kind in ("automations", "block_documents"):
        answer = httpx.post(f"{prefect_server}/{kind}/filter", json={}, timeout=30)
        assert answer.is_success
        assert CANARY not in answer.text
    homes = [path.parent for path in tmp_path_factory.getbasetemp().glob("prefect*/prefect.db")]
    assert homes
    for home in homes:
        assert not [path for path in home.rglob("*") if path.is_file() and _holds(path)]
