"""Index a bucket of a real local S3 server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crossmodal.search.options import QueryOptions
from crossmodal.search.service import answer
from flows.index import index

pytestmark = [
    pytest.mark.usefixtures("prefect"),
    pytest.mark.filterwarnings("ignore:.*datetime.utcnow:DeprecationWarning"),
]


@pytest.fixture
def bucket(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch, pictures: Path) -> Iterator[str]:
    """Return the URL of a bucket that holds the pictures."""
    fsspec = pytest.importorskip("s3fs")
    for name, value in {
        "AWS_ENDPOINT_URL": s3_endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    store = fsspec.S3FileSystem(skip_instance_cache=True)
    store.mkdir("photos")
    store.put(str(pictures) + "/", "photos/summer/", recursive=True)
    yield "s3://photos/summer"
    store.rm("photos", recursive=True)


def test_bucket_is_indexed_searched_and_kept_in_step(
    bucket: str, tmp_path: Path, tiny_clip: Path
) -> None:
    collection = str(tmp_path / "bucket.duckdb")
    params = {"collection": collection, "paths": [bucket]}
    first = index(**params, model=str(tiny_clip))
    assert first["num_embedded"] == 12
    assert index(**params)["counts"] == {"unchanged": 12}
    found = answer(QueryOptions(collection=collection, k=3), ["a circle"], [])
    assert all(hit.uri.startswith("s3://photos/summer/") for hit in found[0].hits)
