"""Files leave only by the id of a chunk, from inside what was indexed, and as they were then."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from crossmodal.errors import Refused
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.chunks import SourceRow
from crossmodal.web.app import make_app
from crossmodal.web.files.breaker import CircuitBreaker
from crossmodal.web.files.content_headers import headers_of
from crossmodal.web.files.sources import Sources
from tests.drawn import draw_picture
from tests.web.conftest import HOME, Site

API = "/api/v1"
Chunks = dict[tuple[str, str], int]


@pytest.fixture
def own_client(own_site: Site) -> Iterator[TestClient]:
    with TestClient(make_app(own_site.settings), base_url=HOME) as client:
        yield client


def test_link_out_of_the_folder_is_not_followed(client: TestClient, chunks: Chunks) -> None:
    chunk = chunks["link.png", "image"]
    for url in (f"{API}/source/{chunk}", f"{API}/thumbnail/{chunk}"):
        refused = client.get(url)
        assert (refused.status_code, refused.json()["error"]) == (403, "outside")


def test_file_that_becomes_a_link_elsewhere_is_refused(
    own_site: Site, own_client: TestClient, chunks: Chunks
) -> None:
    victim = own_site.folder / "pictures" / "picture_0006.jpg"
    victim.unlink()
    victim.symlink_to("/etc/passwd")
    refused = own_client.get(f"{API}/source/{chunks['picture_0006.jpg', 'image']}")
    assert refused.status_code == 403
    assert "root:" not in refused.text


def test_folder_that_becomes_a_link_elsewhere_is_refused(
    own_site: Site, own_client: TestClient, chunks: Chunks
) -> None:
    pictures = own_site.folder / "pictures"
    elsewhere = own_site.folder.parent / "elsewhere"
    pictures.rename(elsewhere)
    pictures.symlink_to(elsewhere)
    refused = own_client.get(f"{API}/source/{chunks['picture_0006.jpg', 'image']}")
    assert refused.json()["error"] == "outside"


def test_changed_file_is_not_passed_off_as_what_was_indexed(
    own_site: Site, own_client: TestClient, chunks: Chunks
) -> None:
    chunk = chunks["picture_0006.jpg", "image"]
    assert own_client.get(f"{API}/thumbnail/{chunk}").status_code == 200
    draw_picture(99).save(own_site.folder / "pictures" / "picture_0006.jpg")
    for url in (f"{API}/source/{chunk}", f"{API}/thumbnail/{chunk}"):
        refused = own_client.get(url)
        assert (refused.status_code, refused.json()["error"]) == (409, "changed")
        assert "crossmodal index" in refused.json()["detail"]


def test_missing_file_pipe_and_folder_are_told_as_missing(
    own_site: Site, own_client: TestClient, chunks: Chunks
) -> None:
    path = own_site.folder / "pictures" / "picture_0006.jpg"
    url = f"{API}/source/{chunks['picture_0006.jpg', 'image']}"
    path.unlink()
    makers: list[Callable[[], object]] = [lambda: None, lambda: os.mkfifo(path)]
    for make in makers:
        make()
        refused = own_client.get(url)
        assert (refused.status_code, refused.json()["error"]) == (404, "missing")
    path.unlink()
    path.mkdir()
    assert own_client.get(url).status_code == 404


def test_deleted_source_is_no_longer_served(
    own_site: Site, own_client: TestClient, chunks: Chunks
) -> None:
    url = f"{API}/source/{chunks['picture_0006.jpg', 'image']}"
    assert own_client.get(url).status_code == 200
    with Collection(own_site.collection).write() as con:
        con.execute("DELETE FROM source WHERE uri LIKE '%picture_0006.jpg'")
    assert own_client.get(url).status_code == 404


def test_page_of_html_arrives_as_text_in_a_sandbox(client: TestClient, chunks: Chunks) -> None:
    answer = client.get(f"{API}/source/{chunks['garden.html', 'passage']}")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "<script>" in answer.text


@pytest.mark.parametrize(
    ("media_type", "sent", "disposition"),
    [
        ("image/svg+xml", "text/plain; charset=utf-8", "inline"),
        ("application/xhtml+xml", "text/plain; charset=utf-8", "inline"),
        ("text/html; charset=utf-8", "text/plain; charset=utf-8", "inline"),
        ("application/x-shockwave-flash", "application/octet-stream", "attachment"),
        ("image/png", "image/png", "inline"),
        ("", "application/octet-stream", "attachment"),
    ],
)
def test_only_what_cannot_act_is_shown(media_type: str, sent: str, disposition: str) -> None:
    headers = headers_of(media_type, '/a/na"me\r\nX: y;é.svg')
    assert headers["Content-Type"] == sent
    assert headers["Content-Disposition"].startswith(f"{disposition}; filename*=UTF-8''na%22me%0D")
    headers["Content-Disposition"].encode("ascii")


def test_glob_and_single_file_are_roots_too(site: Site) -> None:
    path = site.folder / "pictures" / "picture_0001.png"
    found = path.stat()
    row = SourceRow(
        uri=str(path),
        root=str(path),
        media_type="image/png",
        size_bytes=found.st_size,
        mtime_ns=found.st_mtime_ns,
        content_hash="",
        indexed_at=None,
    )
    sources = Sources(CircuitBreaker(1))
    for root in (str(path), f"{site.folder}/**/*.png", str(site.folder), "/"):
        sources.open(replace(row, root=root)).close()
    for root in (f"{site.folder}/pict", f"{site.outside}/*.png", str(site.outside)):
        with pytest.raises(Refused, match="outside"):
            sources.open(replace(row, root=root))
