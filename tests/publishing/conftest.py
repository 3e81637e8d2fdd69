"""Fixtures of the stores: Lance, a real PostgreSQL with pgvector, the local mode of Qdrant."""

from __future__ import annotations

import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from crossmodal.ledger.collection import Collection
from tests.publishing.world import World


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Start one real PostgreSQL for this process and return the address of its database."""
    pytest.importorskip("psycopg", reason="crossmodal[postgres] is not installed")
    pytest.importorskip("pgvector", reason="crossmodal[postgres] is not installed")
    with warnings.catch_warnings():  # it asks for a folder that containers do not have
        warnings.simplefilter("ignore")
        pgserver = pytest.importorskip(
            "pgserver", reason="pgserver, which brings PostgreSQL, is not installed"
        )
        folder = Path(tempfile.mkdtemp(prefix="pg-"))  # a socket's path must be short
        try:
            server = pgserver.get_server(folder, cleanup_mode="stop")
        except Exception as error:
            pytest.skip(f"PostgreSQL does not start here: {error}")
    yield f"postgresql://postgres@/postgres?host={folder}"
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["lance", "postgresql", "qdrant"])
def every_address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of an empty store of each kind."""
    return fresh_address(request.param, request, tmp_path)


_OTHERS = [pytest.param(kind, marks=pytest.mark.slow) for kind in ("lance", "qdrant")]


@pytest.fixture(params=["postgresql", *_OTHERS])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of an empty store; of kinds beside PostgreSQL where there is time."""
    return fresh_address(request.param, request, tmp_path)


@pytest.fixture
def postgres_address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of an empty store in PostgreSQL."""
    return fresh_address("postgresql", request, tmp_path)


def fresh_address(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if kind == "postgresql":
        return f"{request.getfixturevalue('postgres')}&schema=s{uuid.uuid4().hex[:8]}"
    driver = {"lance": "lance", "qdrant": "qdrant_client"}[kind]
    pytest.importorskip(driver, reason=f"crossmodal[{kind}] is not installed")
    return f"{kind}://{tmp_path / 'store'}"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a collection of 40 pictures and 20 texts, their vectors made by hand."""
    made = World(Collection(tmp_path / "photos.duckdb"))
    made.add(range(40))
    made.add_texts(range(20))
    return made
