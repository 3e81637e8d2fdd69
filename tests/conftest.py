"""Fixtures that every room's tests share: the data pack, models, pictures, a server, shells."""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.pictures import draw_pictures
from tests.shell import Shell
from tests.tiny_model import build_tiny_clip

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
REAL_MODEL = Path(
    os.environ.get("CROSSMODAL_TEST_MODEL", Path.home() / ".cache" / "crossmodal" / "text-model")
)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real photos, documents and nasty files, or skip."""
    data = SHARED / "data"
    if not data.is_dir():
        pytest.skip("the data pack is not beside this checkout (../shared/data)")
    return data


@pytest.fixture(scope="session")
def real_model() -> Path:
    """Return the directory of a real image-text model, building it once, or skip."""
    if (REAL_MODEL / "model.safetensors").is_file():
        return REAL_MODEL
    recipe = SHARED / "models" / "build.py"
    if not recipe.is_file():
        pytest.skip("no real model: set CROSSMODAL_TEST_MODEL or put ../shared/models in place")
    REAL_MODEL.parent.mkdir(parents=True, exist_ok=True)
    built = subprocess.run(
        [sys.executable, str(recipe), str(REAL_MODEL)], capture_output=True, text=True, check=False
    )
    if built.returncode != 0:
        last_line = (built.stderr.strip().splitlines() or ["no message"])[-1]
        pytest.skip(f"the real model could not be built: {last_line}")
    return REAL_MODEL


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
    home = tmp_path_factory.mktemp("prefect")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_LOGGING_LEVEL": "WARNING",
    }
    log = (home / "server.log").open("w")
    server = subprocess.Popen(
        [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)],
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    url = f"http://127.0.0.1:{port}/api"
    try:
        _wait_until_healthy(server, url, home / "server.log")
        yield url
    finally:
        server.terminate()
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            server.kill()
        log.close()


def _wait_until_healthy(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    for _ in range(480):
        assert server.poll() is None, f"the Prefect server ended:\n{log.read_text()}"
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=2):
                return
        except OSError:
            time.sleep(0.25)
    pytest.fail(f"the Prefect server was not healthy in two minutes:\n{log.read_text()}")


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
