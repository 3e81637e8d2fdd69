"""Give the tests of this room collections whose vectors are drawn, and a way to serve one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import uvicorn

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions, shard_writer
from crossmodal.models.lineup import choose_lineup
from crossmodal.models.options import LineupSpec, ModelSpec
from crossmodal.search.options import QueryOptions
from crossmodal.search.service import answer
from crossmodal.web.app import make_app
from crossmodal.web.settings import UiSettings
from tests.ledger import build
from tests.waiting import eventually, free_port

TOKEN = "a-secret-of-tests"
NUM = 400
FEW = range(30)
MOST = range(30, NUM)


def fill(path: Path, model: Path, things: range) -> Path:
    """Return a calibrated collection of some of NUM things, the same under every path."""
    collection = Collection(path)
    lineup = choose_lineup(collection, LineupSpec(joint=ModelSpec(str(model))), "float32")
    drawn = np.random.default_rng(5).normal(size=(NUM, lineup.joint.dim))
    with collection.write() as con:
        lineup = model_versions.register_lineup(con, lineup)
        rows = [build.planned(f"/things/{i}", f"content {i}") for i in things]
        vectors = [
            build.vector_row(
                row,
                build.unit(*drawn[i]),
                modality="text" if i % 4 == 0 else "image",
                text=f"words {i}",
            )
            for i, row in zip(things, rows, strict=True)
        ]
        shard_writer.commit_shard(con, build.shard(lineup, build.plan(*rows), vectors))
    answer(QueryOptions(collection=str(path), device="cpu"), ["calibrate"], [])
    return path


@dataclass(frozen=True)
class Shelves:
    """Know the paths of one collection, and of two that hold its things between them."""

    whole: str
    few: str
    most: str

    @property
    def both(self) -> list[str]:
        return [self.few, self.most]


@pytest.fixture(scope="session")
def shelves(tmp_path_factory: pytest.TempPathFactory, tiny_clip: Path) -> Shelves:
    folder = tmp_path_factory.mktemp("shelves")
    parts = {"whole": range(NUM), "few": FEW, "most": MOST}
    return Shelves(
        **{name: str(fill(folder / f"{name}.duckdb", tiny_clip, r)) for name, r in parts.items()}
    )


@contextmanager
def serving(collection: str, token: str | None = None) -> Iterator[str]:
    """Serve a collection from this process over a real socket; yields its address."""
    port = free_port()
    settings = UiSettings(collection=collection, port=port, token=token, rate_per_s=1e6, burst=1e6)
    config = uvicorn.Config(make_app(settings), port=port, log_config=None, lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        eventually(lambda: server.started, 60, "a served collection", 0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)


@pytest.fixture(scope="session")
def served(shelves: Shelves) -> Iterator[str]:
    """Return the address at which most of the things are served, to everybody."""
    with serving(shelves.most) as address:
        yield address


@pytest.fixture
def no_tokens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("CROSSMODAL_TOKENS", "CROSSMODAL_UI_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


Keep = Callable[[str], Path]


@pytest.fixture
def keep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keep:
    """Return a way to write the file of tokens."""

    def write(lines: str) -> Path:
        file = tmp_path / "tokens"
        file.write_text(lines)
        file.chmod(0o600)
        monkeypatch.setenv("CROSSMODAL_TOKENS", str(file))
        return file

    return write
