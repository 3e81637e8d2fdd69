"""Fixtures that every room's tests share: the data pack, models, pictures, a server, shells."""

from __future__ import annotations

import atexit
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.drawn import draw_pictures
from tests.servers import prefect_server_at
from tests.shell import Shell
from tests.tiny_model import build_tiny_clip

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"

SLOW_FOLDERS = ("meaning", "process", "deployments", "flows")


def pytest_configure(config: pytest.Config) -> None:
    """Give Prefect a home of its own, without the person's profile and server; heed Ctrl-C."""
    # A shell's background job is deaf to SIGINT, and so would be all that the tests start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    home = tempfile.TemporaryDirectory(prefix="prefect-home-", ignore_cleanup_errors=True)
    config.add_cleanup(home.cleanup)
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        del os.environ[name]
    os.environ |= {
        "PREFECT_HOME": home.name,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        # No test may reach for a hub, nor take the person's idea of a default model.
        "HF_HUB_OFFLINE": "1",
    }
    for name in ("CROSSMODAL_MODEL", "CROSSMODAL_TEXT_MODEL", "CROSSMODAL_AUDIO_MODEL"):
        os.environ.pop(name, None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the folders that take longest, so that no worker ends long after the other."""
    rank = {folder: number for number, folder in enumerate(SLOW_FOLDERS)}
    items.sort(key=lambda item: rank.get(item.path.parent.name, len(rank)))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real photos, documents and nasty files, or skip."""
    data = SHARED / "data"
    if not data.is_dir():
        pytest.skip("the data pack is not beside this checkout (../shared/data)")
    return data


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a random CLIP of a few layers and an offline tokenizer."""
    directory = tmp_path_factory.mktemp("models") / "tiny-clip"
    build_tiny_clip(directory)
    return directory


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Return a fresh folder of twelve small pictures in several formats."""
    folder = tmp_path / "pictures"
    draw_pictures(folder, 12)
    return folder


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start one real Prefect server for the session and return its API's URL."""
    with prefect_server_at(tmp_path_factory.mktemp("prefect")) as url:
        yield url


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """Start the one S3 server of this process, real but in memory, and return its URL."""
    moto = pytest.importorskip("moto.server", reason="moto[server] is not installed")
    pytest.importorskip("s3fs", reason="crossmodal[s3] is not installed")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def command_environment(prefect_server: str) -> dict[str, str]:
    """Return the environment of a real crossmodal process that reports to the test server."""
    return os.environ | {"PREFECT_API_URL": prefect_server}


@pytest.fixture
def shell(tmp_path: Path, command_environment: dict[str, str]) -> Callable[..., Shell]:
    """Return a maker of shells: ``shell("name")`` works on the collection of that name."""
    return lambda name="collection": Shell(tmp_path / f"{name}.duckdb", command_environment)


@pytest.fixture(scope="session")
def session_shell(
    tmp_path_factory: pytest.TempPathFactory, command_environment: dict[str, str]
) -> Callable[[str], Shell]:
    """Return a maker of shells whose collections live as long as the session."""
    folder = tmp_path_factory.mktemp("collections")
    return lambda name: Shell(folder / f"{name}.duckdb", command_environment)


@atexit.register
def _mute() -> None:
    """Drop what DuckDB's binding says as Python ends, so that the summary is the last word."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
