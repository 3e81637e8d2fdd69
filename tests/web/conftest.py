"""One small collection of every kind of source, indexed once by the real command, and its page."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from starlette.testclient import TestClient

from crossmodal.web.app import make_app
from crossmodal.web.settings import UiSettings
from tests.chunking.clips import film, scenes
from tests.chunking.document_makers import Pdf, docx, drawing, paragraph, picture, sentences
from tests.drawn import draw_picture, draw_pictures
from tests.shell import Shell
from tests.waiting import eventually
from tests.web.browser import launched
from tests.web.far import KEYS, Far, indexed

HOME = "http://localhost:8400"
HTML = (
    "<!doctype html><title>Page</title><h1>Gardens</h1><p>Roses grow.</p><script>alert(1)</script>"
)
NOTES = "# Harbour\n\nThe ferry leaves at noon.\n\n## Tides\n\nHigh water comes twice a day.\n"
CUES = "1\n00:00:00,000 --> 00:00:01,500\nWelcome aboard.\n"


@dataclass(frozen=True)
class Site:
    """Know the folder, the collection and its ids."""

    folder: Path
    outside: Path
    collection: Path
    shell: Shell
    settings: UiSettings


@pytest.fixture(scope="session")
def site(
    session_shell: Callable[[str], Shell],
    tiny_clip: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Site:
    base = tmp_path_factory.mktemp("ui")
    folder, outside = base / "indexed", base / "outside"
    outside.mkdir()
    make_sources(folder)
    draw_picture(77).save(outside / "secret.png")
    (folder / "link.png").symlink_to(outside / "secret.png")
    shell = session_shell("ui")
    shell.run("index", folder, "--model", tiny_clip)
    settings = UiSettings(collection=str(shell.collection), rate_per_s=1e6, burst=1e6)
    return Site(folder, outside, shell.collection, shell, settings)


def make_sources(folder: Path) -> None:
    draw_pictures(folder / "pictures", 30)
    draw_picture(3).save(folder / "copy of three.png")
    (folder / "harbour.md").write_text(NOTES)
    (folder / "garden.html").write_text(HTML)
    clip = film(scenes([2, 2]), "webm", codec="libvpx-vp9")  # which every Chromium plays
    (folder / "trip.webm").write_bytes(clip)
    (folder / "trip.srt").write_text(CUES)
    pdf = (
        Pdf()
        .page()
        .lines(50, 750, list(sentences("page one", 6)))
        .image(150, 200, 240, 180, "green")
    )
    (folder / "report.pdf").write_bytes(pdf.page().text(50, 750, "The second page.", 20).build())
    text = paragraph("A letter about a boat.") + f"<w:p>{drawing('r1')}</w:p>"
    (folder / "letter.docx").write_bytes(docx(text, images={"r1": picture("red")}))


@pytest.fixture(scope="session")
def client(site: Site) -> Iterator[TestClient]:
    """Return a client of the page, its model loaded, without limits on how often it may ask."""
    with TestClient(make_app(site.settings), base_url=HOME) as client:
        until_ready(client)
        yield client


def until_ready(client: Any) -> None:
    eventually(lambda: client.get("/health/ready").status_code == 200, 120, "a loaded model", 0.05)


@pytest.fixture
def open_client(site: Site) -> Callable[..., TestClient]:
    """Return a maker of clients whose app has other settings; no model is waited for."""
    return lambda **changes: TestClient(
        make_app(replace(site.settings, **changes)), base_url=HOME, raise_server_exceptions=False
    )


@pytest.fixture
def own_site(site: Site, tmp_path: Path) -> Site:
    """Return a copy of the collection whose files may be changed."""
    collection, folder = tmp_path / "own.duckdb", tmp_path / "indexed"
    shutil.copy(site.collection, collection)
    shutil.copytree(site.folder, folder, symlinks=True)
    with duckdb.connect(str(collection)) as con:
        con.execute(
            "UPDATE source SET uri = replace(uri, $old, $new), root = replace(root, $old, $new)",
            {"old": str(site.folder), "new": str(folder)},
        )
    shell = Shell(collection, site.shell.environment)
    settings = replace(site.settings, collection=str(collection))
    return Site(folder, site.outside, collection, shell, settings)


@pytest.fixture(scope="session")
def chunks(site: Site) -> dict[tuple[str, str], int]:
    """Return a chunk's id by its file's name and its kind; the first of each."""
    with duckdb.connect(str(site.collection), read_only=True) as con:
        rows = con.execute(
            "SELECT s.uri, c.kind, min(c.chunk_id) FROM chunk c JOIN source s USING (content_hash) "
            "GROUP BY ALL"
        ).fetchall()
    return {(Path(uri).name, kind): chunk_id for uri, kind, chunk_id in rows}


@pytest.fixture(scope="session")
def far_site(
    s3_endpoint: str,
    session_shell: Callable[[str], Shell],
    tiny_clip: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Far]:
    """Return a bucket and a web server that are indexed."""
    keys = KEYS | {"AWS_ENDPOINT_URL": s3_endpoint}
    shell = session_shell("far")
    shell = Shell(shell.collection, shell.environment | keys)
    with pytest.MonkeyPatch.context() as environment:
        for name, value in keys.items():
            environment.setenv(name, value)
        with indexed(shell, tiny_clip, tmp_path_factory.mktemp("far")) as found:
            environment.undo()
            yield found


@pytest.fixture
def far(far_site: Far, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    """Return them with a page of their own, which has waited for nobody yet."""
    for name, value in (KEYS | {"AWS_ENDPOINT_URL": s3_endpoint}).items():
        monkeypatch.setenv(name, value)
    far_site.web.behave()
    app = make_app(far_site.settings)
    with TestClient(app, base_url=HOME, raise_server_exceptions=False) as client:
        until_ready(client)
        yield replace(far_site, client=client)
    far_site.web.behave()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Return a Chromium; one a module, since its driver runs an event loop in this thread."""
    with launched() as browser:
        yield browser
