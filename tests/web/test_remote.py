"""Sources in a bucket and on a web server, shown and played as if they lay here."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from PIL import Image
from starlette.testclient import TestClient

from crossmodal.web.app import make_app
from crossmodal.web.files import remote
from tests.web.conftest import HOME
from tests.web.far import API, BUCKET, SOUND, Far

pytestmark = pytest.mark.filterwarnings("ignore:.*datetime.utcnow:DeprecationWarning")


def test_photo_of_a_bucket_is_found_shown_described_and_sent(far: Far) -> None:
    found = far.client.get(f"{API}/search", params={"q": "a disc", "where": "type=image/*"}).json()
    hit = next(hit for hit in found["hits"] if hit["uri"] == far.s3("picture_0001.png"))
    assert hit["folder"] == f"s3://{BUCKET}/summer"
    shown = far.client.get(hit["thumbnail"])
    with Image.open(io.BytesIO(shown.content)) as image:
        assert (shown.headers["content-type"], image.format) == ("image/jpeg", "JPEG")
    told = far.client.get(f"{API}/chunk/{hit['chunk_id']}").json()
    assert told["copies"][0]["root"] == f"s3://{BUCKET}/summer"
    sent = far.client.get(hit["source"])
    assert sent.content == far.store.cat(f"{BUCKET}/summer/picture_0001.png")
    assert sent.headers["content-type"] == "image/png"


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_sound_plays_by_ranges_whatever_the_server_knows(far: Far, knows_ranges: bool) -> None:
    far.web.knows_ranges = knows_ranges
    bell = (far.web.folder / "bell.wav").read_bytes()
    for uri, content in ((far.s3("tone.wav"), SOUND), (far.http("bell.wav"), bell)):
        medium = far.client.get(f"{API}/chunk/{far.chunks[uri]}").json()["chunk"]["medium"]
        assert medium["player"] == "audio"
        for first, last in ((0, ""), (0, 99), (40_000, 40_999), (len(content) - 7, "")):
            asked = {"Range": f"bytes={first}-{last}"}
            part = far.client.get(medium["url"], headers=asked)
            stop = len(content) if last == "" else int(last) + 1
            assert part.status_code == 206
            assert part.headers["content-range"] == f"bytes {first}-{stop - 1}/{len(content)}"
            assert part.content == content[first:stop]
        assert far.client.get(medium["url"]).content == content


def test_sound_is_shown_as_its_wave(far: Far) -> None:
    for uri in (far.s3("tone.wav"), far.http("bell.wav")):
        shown = far.thumbnail(uri)
        with Image.open(io.BytesIO(shown.content)) as image:
            assert (image.format, image.mode) == ("PNG", "RGBA")
            assert image.getbbox()


def test_what_is_shown_again_is_not_fetched_again(far: Far) -> None:
    uri = far.http("poster.png")
    first = far.thumbnail(uri)
    far.web.asked.clear()
    again = far.thumbnail(uri)
    assert again.content == first.content
    assert far.web.asked == ["HEAD /poster.png "]
    held = far.thumbnail(uri, headers={"If-None-Match": first.headers["etag"]})
    assert (held.status_code, len(far.web.asked)) == (304, 1)


@pytest.mark.parametrize("status", [404, 410])
def test_file_that_vanished_is_told_as_missing_also_when_its_preview_is_kept(
    far: Far, status: int
) -> None:
    uri = far.http("poster.png")
    assert far.thumbnail(uri).status_code == 200
    far.web.status = status
    for answer in (far.thumbnail(uri), far.source(uri)):
        assert (answer.status_code, answer.json()["error"]) == (404, "missing")
        assert f"{uri} is no longer there" in answer.json()["detail"]
    assert far.client.get(f"{API}/chunk/{far.chunks[uri]}").status_code == 200


def test_object_that_was_deleted_from_its_bucket_is_told_as_missing(far: Far) -> None:
    key = f"{BUCKET}/summer/picture_0002.webp"
    content = far.store.cat(key)
    far.store.rm(key)
    try:
        for answer in (
            far.thumbnail(far.s3("picture_0002.webp")),
            far.source(far.s3("picture_0002.webp")),
        ):
            assert (answer.status_code, answer.json()["error"]) == (404, "missing")
    finally:
        far.store.pipe(key, content)


def test_file_that_may_no_longer_be_read_is_refused(far: Far) -> None:
    far.web.status = 403
    uri = far.http("poster.png")
    for answer in (far.thumbnail(uri), far.source(uri)):
        assert (answer.status_code, answer.json()["error"]) == (403, "unreadable")


def test_server_that_fails_is_told_of_as_such(far: Far) -> None:
    far.web.status = 500
    uri = far.http("poster.png")
    for answer in (far.thumbnail(uri), far.source(uri)):
        assert answer.status_code in (502, 504), answer.text
        assert "internal" not in answer.text


def test_object_that_was_replaced_is_not_passed_off_as_what_was_indexed(far: Far) -> None:
    key, uri = f"{BUCKET}/summer/picture_0003.gif", far.s3("picture_0003.gif")
    content = far.store.cat(key)
    try:
        far.store.pipe(key, content + b"more")
        for answer in (far.thumbnail(uri), far.source(uri)):
            assert (answer.status_code, answer.json()["error"]) == (409, "changed")
        far.store.pipe(key, content[:-1] + bytes([content[-1] ^ 1]))  # as large as before
        assert far.thumbnail(uri).json()["error"] == "changed"
    finally:
        far.store.pipe(key, content)


def test_server_that_hangs_is_given_up_and_local_answers_do_not_wait(far: Far) -> None:
    far.web.hangs = True
    uri = far.http("poster.png")
    for answer in (far.thumbnail(uri), far.source(uri)):
        assert (answer.status_code, answer.json()["error"]) == (504, "no_answer")
    assert far.thumbnail(far.s3("picture_0001.png")).status_code == 200


def test_what_is_too_large_for_a_preview_is_not_fetched(
    far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "MAX_PREVIEW_BYTES", 1000)
    uri = far.http("bell.wav")
    refused = far.thumbnail(uri)
    assert (refused.status_code, refused.json()["error"]) == (404, "too_large")
    assert far.web.asked == []
    asked = {"Range": "bytes=40000-40099"}
    assert far.source(uri, headers=asked).status_code == 206
    far.web.knows_ranges = False
    refused = far.source(uri, headers=asked)
    assert (refused.status_code, refused.json()["error"]) == (404, "too_large")


def test_store_without_its_driver_is_explained(far: Far, tmp_path: Path) -> None:
    collection = tmp_path / "other.duckdb"
    shutil.copy(far.settings.collection, collection)
    with duckdb.connect(str(collection)) as con:
        con.execute("UPDATE source SET uri = replace(uri, 's3://', 'nosuchstore://')")
    app = make_app(replace(far.settings, collection=str(collection)))
    chunk = far.chunks[far.s3("tone.wav")]
    with TestClient(app, base_url=HOME, raise_server_exceptions=False) as client:
        for what in ("thumbnail", "source"):
            answer = client.get(f"{API}/{what}/{chunk}")
            assert (answer.status_code, answer.json()["error"]) == (502, "read_failed")
            assert "nosuchstore" in answer.json()["detail"]
