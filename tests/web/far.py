"""Index a bucket and a web server by the real command, for a page that shows what is far away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from starlette.testclient import TestClient

from crossmodal.web.settings import UiSettings
from tests.drawn import draw_picture, draw_pictures
from tests.shell import Shell
from tests.tiny_model import build_tiny_clap
from tests.web.sounds import tone
from tests.web.web import Web, web

API = "/api/v1"
BUCKET = "ui-photos"
SOUND = tone(12)
KEYS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
# The first question to a bucket makes a client of it, which takes a second on a busy machine.
WAIT_S = 4.0


@dataclass(frozen=True)
class Far:
    """Know the bucket, the web server, and what is shown of them."""

    store: Any
    web: Web
    settings: UiSettings
    chunks: dict[str, int]
    """A chunk's id by its uri; the first of each."""
    client: TestClient | None = None

    def s3(self, name: str) -> str:
        return f"s3://{BUCKET}/summer/{name}"

    def http(self, name: str) -> str:
        return f"{self.web.url}/{name}"

    def thumbnail(self, uri: str, **options: Any) -> Any:
        return self.client.get(f"{API}/thumbnail/{self.chunks[uri]}", **options)

    def source(self, uri: str, **options: Any) -> Any:
        return self.client.get(f"{API}/source/{self.chunks[uri]}", **options)


@contextmanager
def indexed(shell: Shell, model: Path, base: Path) -> Iterator[Far]:
    """Fill a bucket and a web server and index both."""
    import s3fs

    store = s3fs.S3FileSystem(skip_instance_cache=True, use_listings_cache=False)
    store.mkdir(BUCKET)
    draw_pictures(base / "photos", 6)
    store.put(f"{base / 'photos'}/", f"{BUCKET}/summer/", recursive=True)
    store.pipe(f"{BUCKET}/summer/tone.wav", SOUND)
    pages = base / "pages"
    pages.mkdir()
    draw_picture(41).save(pages / "poster.png")
    (pages / "bell.wav").write_bytes(tone(3, 880))
    build_tiny_clap(base / "clap")
    with web(pages) as server:
        models = ("--model", model, "--audio-model", base / "clap")
        shell.run("index", f"s3://{BUCKET}/summer", f"{server.url}/", *models)
        settings = UiSettings(
            collection=str(shell.collection), rate_per_s=1e6, burst=1e6, remote_wait_s=WAIT_S
        )
        yield Far(store, server, settings, _chunks(shell.collection))


def _chunks(collection: Path) -> dict[str, int]:
    with duckdb.connect(str(collection), read_only=True) as con:
        rows = con.execute(
            "SELECT s.uri, min(c.chunk_id) FROM chunk c JOIN source s USING (content_hash) "
            "GROUP BY s.uri"
        ).fetchall()
    return dict(rows)
