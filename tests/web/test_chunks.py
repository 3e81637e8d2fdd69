"""What the API shows of one chunk: its picture, its moment, its file in ranges."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from PIL import Image
from starlette.testclient import TestClient

from crossmodal.previews import preview
from tests.web.conftest import Site

API = "/api/v1"
Chunks = dict[tuple[str, str], int]


def test_subtitles_play_the_film_beside_them(
    client: TestClient, chunks: Chunks, site: Site
) -> None:
    chunk = chunks["trip.srt", "cue"]
    medium = client.get(f"{API}/chunk/{chunk}").json()["chunk"]["medium"]
    assert (medium["player"], medium["start_s"]) == ("video", 0.0)
    played = client.get(medium["url"])
    assert played.content == (site.folder / "trip.webm").read_bytes()
    assert played.headers["content-type"] == "video/webm"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("picture_0002.webp", "image"),
        ("picture_0005.tiff", "image"),
        ("trip.webm", "frame"),
        ("trip.srt", "cue"),
        ("report.pdf", "passage"),
        ("report.pdf", "figure"),
        ("letter.docx", "figure"),
    ],
)
def test_thumbnails_show_every_kind_of_chunk(
    client: TestClient, chunks: Chunks, name: str, kind: str
) -> None:
    shown = client.get(f"{API}/thumbnail/{chunks[name, kind]}", params={"side": 100})
    assert shown.headers["content-type"] == "image/jpeg"
    with Image.open(io.BytesIO(shown.content)) as image:
        assert max(image.size) <= 160
    again = client.get(
        f"{API}/thumbnail/{chunks[name, kind]}",
        params={"side": 100},
        headers={"If-None-Match": shown.headers["etag"]},
    )
    assert (again.status_code, again.content) == (304, b"")


def test_frame_of_a_film_is_that_of_its_moment(client: TestClient, chunks: Chunks) -> None:
    first = chunks["trip.webm", "frame"]
    colours = []
    for chunk in (first, first + 1):
        shown = client.get(f"{API}/thumbnail/{chunk}").content
        with Image.open(io.BytesIO(shown)) as image:
            colours.append(image.getpixel((image.width - 5, image.height - 5)))
    (red, green, _), (later_red, later_green, _) = colours
    assert red > green
    assert later_green > later_red


def test_what_has_no_picture_says_so(client: TestClient, chunks: Chunks) -> None:
    refused = client.get(f"{API}/thumbnail/{chunks['harbour.md', 'passage']}")
    assert (refused.status_code, refused.json()["error"]) == (404, "no_preview")


def test_picture_that_took_too_long_is_drawn_by_the_next_visit(
    open_client: Callable[..., TestClient], chunks: Chunks, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"{API}/thumbnail/{chunks['letter.docx', 'figure']}"
    with open_client() as client:
        with monkeypatch.context() as hurried:
            hurried.setattr(preview, "_MAX_SECONDS", 1e-6)
            assert client.get(address).json()["error"] == "timed_out"
        assert client.get(address).headers["content-type"] == "image/jpeg"


def test_source_is_sent_whole_in_ranges_and_not_twice(
    client: TestClient, chunks: Chunks, site: Site
) -> None:
    content = (site.folder / "trip.webm").read_bytes()
    url = f"{API}/source/{chunks['trip.webm', 'frame']}"
    whole = client.get(url)
    assert whole.content == content
    part = client.get(url, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(content)}"
    assert client.get(url, headers={"Range": "bytes=-7"}).content == content[-7:]
    beyond = client.get(url, headers={"Range": f"bytes={len(content)}-"})
    assert beyond.status_code == 416
    several = client.get(url, headers={"Range": "bytes=0-1,4-5"})
    assert (several.status_code, len(several.content)) == (200, len(content))
    head = client.head(url)
    assert (head.content, head.headers["content-length"]) == (b"", str(len(content)))
    tag = {"If-None-Match": whole.headers["etag"]}
    assert client.get(url, headers=tag).status_code == 304
    stale = {"Range": "bytes=0-1", "If-Range": '"other"'}
    assert client.get(url, headers=stale).status_code == 200
