"""Who may ask: names, other sites, the token, how often, and how much at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from starlette.testclient import TestClient

from crossmodal.web.api.errors import ApiError
from crossmodal.web.guards.rate_limit import RateLimit
from crossmodal.web.guards.tokens import keep_token
from crossmodal.web.guards.uploads import UploadMemory
from crossmodal.web.settings import RefusedToServe, UiSettings, check

API = "/api/v1"
TOKEN = "a secret of some length"
Open = Callable[..., TestClient]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8400", 200),
        ("127.0.0.1:8400", 200),
        ("[::1]:8400", 200),
        ("192.168.1.5", 200),
        ("photos.example:8400", 200),
        ("evil.example", 400),
        ("localhost.evil.example", 400),
        ("127.0.0.1.evil.example", 400),
        ("", 400),
        ("[::1", 400),
    ],
)
def test_page_is_reached_by_its_names_and_by_addresses_only(
    open_client: Open, host: str, status: int
) -> None:
    client = open_client(allowed_hosts=("photos.example",))
    assert client.get("/", headers={"Host": host}).status_code == status


@pytest.mark.parametrize("asking", ["cross-site", "same-site"])
def test_another_site_may_link_to_the_page_but_not_ask(client: TestClient, asking: str) -> None:
    headers = {"Sec-Fetch-Site": asking}
    refused = client.get(f"{API}/search?q=a", headers=headers)
    assert (refused.status_code, refused.json()["error"]) == (403, "cross_site")
    visit = {**headers, "Sec-Fetch-Mode": "navigate"}
    assert client.get("/", headers=visit).status_code == 200


def test_without_the_token_only_health_is_told(open_client: Open) -> None:
    client = open_client(token=TOKEN)
    for path in ("/", "/static/app.js", "/metrics", f"{API}/status", f"{API}/openapi.json"):
        refused = client.get(path)
        assert (refused.status_code, refused.json()["error"]) == (401, "token_needed")
        assert refused.headers["www-authenticate"] == "Bearer"
    assert client.get("/health/live").status_code == 200


def test_token_opens_as_bearer_and_once_as_part_of_the_address(open_client: Open) -> None:
    client = open_client(token=TOKEN)
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert client.get(f"{API}/openapi.json", headers=bearer).status_code == 200
    assert client.get("/", headers={"Authorization": "Bearer wrong"}).status_code == 401
    welcome = client.get("/", params={"token": TOKEN, "q": "a car"}, follow_redirects=False)
    assert (welcome.status_code, welcome.headers["location"]) == (303, "/?q=a+car")
    cookie = welcome.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert TOKEN not in welcome.headers["set-cookie"]
    assert client.get("/").status_code == 200


def test_wrong_token_in_the_address_opens_nothing(open_client: Open) -> None:
    client = open_client(token=TOKEN)
    assert client.get("/", params={"token": "wrong"}).status_code == 401
    assert client.get(f"{API}/openapi.json", params={"token": TOKEN}).status_code == 401
    cookie = {"Cookie": f"crossmodal_8400={TOKEN}"}
    assert client.get("/", headers=cookie).status_code == 401


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "myhost"])
def test_network_is_not_served_without_a_token(host: str) -> None:
    with pytest.raises(RefusedToServe, match="CROSSMODAL_UI_TOKEN"):
        check(UiSettings(collection="c", host=host))
    check(UiSettings(collection="c", host=host, token=TOKEN))


def test_short_tokens_are_refused_and_settings_never_show_theirs() -> None:
    with pytest.raises(RefusedToServe, match="8 characters"):
        check(UiSettings(collection="c", token="short"))
    assert TOKEN not in repr(UiSettings(collection="c", token=TOKEN))


def test_a_client_that_asks_too_often_is_told_when_to_come_back(open_client: Open) -> None:
    client = open_client(rate_per_s=0.5, burst=3)
    answers = [client.get("/nothing").status_code for _ in range(4)]
    assert answers == [404, 404, 404, 429]
    refused = client.get("/nothing")
    assert refused.json()["error"] == "too_many_requests"
    assert 1 <= int(refused.headers["retry-after"]) <= 2
    assert client.get("/health/live").status_code == 200


def test_bucket_fills_again_as_time_goes_by() -> None:
    now = [0.0]
    limit = RateLimit(lambda *_: None, 2.0, 2.0, clock=lambda: now[0])
    assert [limit._take("a", 1.0) for _ in range(3)] == [0, 0, 0.5]
    assert limit._take("b", 1.0) == 0
    now[0] = 0.5
    assert limit._take("a", 1.0) == 0


def test_every_answer_leaves_a_browser_no_room(client: TestClient) -> None:
    for path in ("/", "/static/app.js", f"{API}/status", "/nothing"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "access-control-allow-origin" not in headers
    policy = client.get("/").headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy


def test_page_holds_no_script_or_style_of_its_own(client: TestClient) -> None:
    page = client.get("/").text
    assert "<style" not in page
    assert " style=" not in page
    assert " onclick" not in page
    assert all("src=" in part.split(">")[0] for part in page.split("<script")[1:])


@pytest.mark.parametrize(
    ("content", "media_type", "status", "error"),
    [
        (b"", "image/png", 400, "empty"),
        (b"no picture at all", "image/png", 422, "unusable_picture"),
        (b"\xff\xd8\xff\xe0 cut off", "image/jpeg", 422, "unusable_picture"),
        (b"x" * 5000, "image/png", 413, "too_large"),
        (b"a=b", "application/x-www-form-urlencoded", 415, "no_picture"),
        (b"{}", "application/json", 415, "no_picture"),
    ],
)
def test_uploads_that_cannot_be_used_are_refused(
    site_client: TestClient, content: bytes, media_type: str, status: int, error: str
) -> None:
    answer = site_client.post(
        f"{API}/search", content=content, headers={"Content-Type": media_type}
    )
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_upload_without_a_length_is_cut_off_at_the_limit(site_client: TestClient) -> None:
    answer = site_client.post(
        f"{API}/search", content=iter([b"x" * 1000] * 9), headers={"Content-Type": "image/png"}
    )
    assert answer.status_code == 413


def test_a_bomb_of_pixels_is_not_unpacked(client: TestClient) -> None:
    import struct
    import zlib

    def part(kind: bytes, body: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + crc

    size = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + part(b"IHDR", size)
    bomb += part(b"IDAT", zlib.compress(b"\0" * 1000)) + part(b"IEND", b"")
    answer = client.post(f"{API}/search", content=bomb, headers={"Content-Type": "image/png"})
    assert answer.status_code == 422
    assert "too_many_pixels" in answer.json()["detail"]


@pytest.fixture(scope="module")
def site_client(site):
    """Return a client of a page that takes small uploads only."""
    from dataclasses import replace

    from crossmodal.web.app import make_app

    with TestClient(
        make_app(replace(site.settings, max_upload_bytes=4000)), base_url="http://localhost:8400"
    ) as client:
        yield client


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:8400", 200),
        ("https://photos.example", 200),
        ("http://localhost:9999", 403),
        ("http://evil.example", 403),
        ("http://localhost:8400.evil.example", 403),
        ("http://localhost:", 403),
        ("http://[::1", 403),
        ("null", 403),
        ("", 403),
    ],
)
def test_where_an_origin_is_sent_it_is_the_page_itself(
    open_client: Open, origin: str, status: int
) -> None:
    client = open_client(allowed_hosts=("photos.example",))
    answer = client.get("/", headers={"Origin": origin})
    assert answer.status_code == status


def test_token_that_was_replaced_or_deleted_opens_nothing_any_more(
    open_client: Open, tmp_path: Path
) -> None:
    path = tmp_path / "c.duckdb.token"
    assert keep_token(path)
    assert path.stat().st_mode & 0o777 == 0o600
    first = path.read_text().strip()
    client = open_client(token_file=path)
    assert client.get("/").status_code == 401
    assert client.get(f"/?token={first}").status_code == 200
    assert client.get("/").status_code == 200
    assert keep_token(path)
    assert path.read_text().strip() == first
    assert keep_token(path, renew=True)
    assert client.get("/").status_code == 401
    assert client.get(f"/?token={first}").status_code == 401
    second = {"Authorization": f"Bearer {path.read_text().strip()}"}
    assert client.get("/", headers=second).status_code == 200
    path.unlink()
    for headers in (second, {"Authorization": "Bearer "}, {"Cookie": "crossmodal_8400="}):
        assert client.get("/", headers=headers).status_code == 401
    assert client.get("/?token=").status_code == 401


def test_token_that_others_could_read_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "c.duckdb.token"
    path.write_text("known to all\n")
    path.chmod(0o644)
    assert keep_token(path)
    assert path.read_text() != "known to all\n"
    assert path.stat().st_mode & 0o077 == 0
    assert not keep_token(tmp_path / "none" / "c.duckdb.token")


def test_uploads_together_stay_within_the_memory_they_are_given() -> None:
    async def app(scope, receive, send) -> None:
        await receive()
        refusals.append(None)
        await anyio.sleep(0.3)

    refusals: list[int | None] = []
    bounded = UploadMemory(app, max_bytes=2500)

    async def upload(size: int) -> None:
        async def receive():
            return {"type": "http.request", "body": b"x" * size}

        try:
            await bounded({"type": "http"}, receive, None)  # type: ignore[arg-type]
        except ApiError as refused:
            refusals.append(refused.status)

    async def crowd(*sizes: int) -> None:
        async with anyio.create_task_group() as group:
            for size in sizes:
                group.start_soon(upload, size)

    anyio.run(crowd, 1000, 1000, 1000)
    assert sorted(refusals, key=str) == [503, None, None]
    anyio.run(crowd, 1000, 1000)
    assert refusals[3:] == [None, None]


def test_refused_values_are_told_in_our_words(client: TestClient) -> None:
    answer = client.get(f"{API}/search", params={"q": "a", "k": "many"})
    assert answer.status_code == 422
    assert answer.json()["detail"] == "k: must be a whole number, not 'many'"
    batch = client.post(f"{API}/search/batch", json={"queries": []})
    assert batch.json()["detail"] == "queries: must not be empty"
