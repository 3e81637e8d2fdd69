"""The JSON API as a program meets it: searches, details, numbers, mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.web.conftest import Site

API = "/api/v1"
Chunks = dict[tuple[str, str], int]


def search(client: TestClient, **parameters: object) -> dict:
    answer = client.get(f"{API}/search", params={"q": "a disc", **parameters})
    assert answer.status_code == 200, answer.text
    return answer.json()


def uploaded(client: TestClient, path: Path, **parameters: object) -> dict:
    answer = client.post(
        f"{API}/search",
        params=parameters,
        content=path.read_bytes(),
        headers={"Content-Type": "image/png"},
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_pages_of_a_search_do_not_overlap_and_the_last_one_says_so(client: TestClient) -> None:
    seen: list[int] = []
    offset: int | None = 0
    while offset is not None:
        page = search(client, k=10, offset=offset, group=False)
        assert [hit["rank"] for hit in page["hits"]] == list(
            range(offset + 1, offset + len(page["hits"]) + 1)
        )
        seen += [hit["chunk_id"] for hit in page["hits"]]
        offset = page["next_offset"]
    assert len(seen) == len(set(seen)) == client.get(f"{API}/status").json()["num_chunks"]


def test_filters_and_modalities_narrow_the_hits(client: TestClient) -> None:
    pictures = search(client, where=["path=*.png", "size<1MB"], modality="image")["hits"]
    assert pictures
    assert all(hit["name"].endswith(".png") for hit in pictures)
    texts = search(client, modality="text")["hits"]
    assert {hit["modality"] for hit in texts} == {"text"}


def test_a_modality_that_the_collection_lacks_finds_nothing(client: TestClient) -> None:
    assert search(client, modality="audio")["hits"] == []


def test_a_picture_finds_itself_first(client: TestClient, site: Site) -> None:
    own = site.folder / "pictures" / "picture_0001.png"
    found = uploaded(client, own, modality="image")["hits"]
    assert found[0]["name"] == own.name
    assert found[0]["score"] == pytest.approx(1, abs=1e-3)


def test_similar_items_leave_out_the_item_itself(client: TestClient, chunks: Chunks) -> None:
    chunk = chunks["picture_0003.gif", "image"]
    found = client.get(f"{API}/similar/{chunk}", params={"k": 100}).json()
    assert chunk not in [hit["chunk_id"] for hit in found["hits"]]
    pages = [
        client.get(f"{API}/similar/{chunk}", params={"k": 5, "offset": offset}).json()["hits"]
        for offset in (0, 5)
    ]
    assert [hit["chunk_id"] for page in pages for hit in page] == [
        hit["chunk_id"] for hit in found["hits"][:10]
    ]


def test_details_say_why_a_chunk_matched_and_what_stands_around_it(
    client: TestClient, chunks: Chunks
) -> None:
    answer = search(client, modality="text", k=100)
    (hit,) = [hit for hit in answer["hits"] if hit["name"] == "report.pdf"]
    details = client.get(
        f"{API}/chunk/{hit['chunk_id']}", params={"query_id": answer["query_id"]}
    ).json()
    (why,) = details["why"]
    assert why["score"] == pytest.approx(hit["score"], abs=1e-6)
    assert 1 <= why["rank"] <= why["num_vectors"]
    figure = client.get(f"{API}/chunk/{chunks['report.pdf', 'figure']}").json()
    assert figure["parent"]["kind"] == "passage"
    assert figure["why"] == []


def test_passages_carry_section_and_place(client: TestClient) -> None:
    hits = search(client, modality="text", k=100, group=False)["hits"]
    by_name = {hit["name"]: hit for hit in hits}
    assert by_name["harbour.md"]["section"][0] == "Harbour"
    assert by_name["report.pdf"]["place"].startswith("page ")
    assert by_name["report.pdf"]["medium"]["url"].endswith("#page=1")


def test_status_metrics_and_health_tell_of_the_collection(client: TestClient) -> None:
    status = client.get(f"{API}/status").json()
    assert status["media_types"]["video/webm"] == 1
    assert status["encoder_ready"]
    search(client)
    numbers = client.get("/metrics").text
    assert f"crossmodal_chunks {float(status['num_chunks'])}" in numbers
    assert 'crossmodal_searches_total{by="text"}' in numbers
    assert 'route="/api/v1/search"' in numbers
    assert client.get("/health/live").json() == {"status": "live"}
    assert client.get("/health/ready").json() == {"status": "ready"}


def test_same_words_are_encoded_once(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    import crossmodal.search.service as searching

    encoded: list[str] = []
    real = searching.encode_texts
    monkeypatch.setattr(
        searching,
        "encode_texts",
        lambda lists, texts, device: encoded.extend(texts) or real(lists, texts, device),
    )
    pages = [search(client, q="asked for the first time", k=3, offset=offset) for offset in (0, 3)]
    assert encoded == ["asked for the first time"]
    assert pages[0]["query_id"] == pages[1]["query_id"]


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/search", 422, "invalid_request"),
        ("/search?q=%20", 422, "invalid_request"),
        ("/search?q=a&k=0", 422, "invalid_request"),
        ("/search?q=a&k=101", 422, "invalid_request"),
        ("/search?q=a&offset=10001", 422, "invalid_request"),
        ("/search?q=a&modality=smell", 422, "invalid_request"),
        (f"/search?q={'a' * 2001}", 422, "invalid_request"),
        ("/search?q=a&where=size>many", 400, "bad_filter"),
        (f"/search?q=a&where=path={'a' * 600}", 422, "invalid_request"),
        ("/search?q=a" + "&where=path=a" * 11, 422, "invalid_request"),
        ("/chunk/999999999", 404, "no_such_chunk"),
        ("/similar/999999999", 404, "no_such_chunk"),
        ("/thumbnail/999999999", 404, "no_such_chunk"),
        ("/source/999999999", 404, "no_such_chunk"),
        ("/source/..%2f..%2fetc%2fpasswd", 404, "not_found"),
        ("/chunk/9223372036854775808", 422, "invalid_request"),
        ("/nothing", 404, "not_found"),
    ],
)
def test_mistakes_are_told_in_one_form(
    client: TestClient, path: str, status: int, error: str
) -> None:
    answer = client.get(API + path)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert set(answer.json()) == {"error", "detail", "hint"}


@pytest.mark.parametrize(
    "condition",
    [
        "path=' OR 1=1 --",
        "path='); DROP TABLE source; --",
        "path=$where_0",
        "type=image/'||(SELECT 1)||'",
        "path=\\x{0}[",
        "path=%00",
    ],
)
def test_conditions_are_bound_and_never_become_sql(client: TestClient, condition: str) -> None:
    before = client.get(f"{API}/status").json()["num_sources"]
    answer = client.get(f"{API}/search", params={"q": "a", "where": condition})
    assert answer.status_code in (200, 400)
    assert answer.json().get("hits", []) == []
    assert client.get(f"{API}/status").json()["num_sources"] == before


@pytest.mark.parametrize("body", [b"\xff\xfe", b"{", b"[" * 2000, b'{"texts": "\xe9"}', b"null"])
@pytest.mark.parametrize("path", ["/recommend", "/judgements", "/review/next"])
def test_body_that_cannot_be_read_is_told_of_as_a_wrong_request(
    client: TestClient, path: str, body: bytes
) -> None:
    answer = client.post(f"{API}{path}", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid_request"), answer.text
