"""Start Prefect's temporary server early, so that it comes up while this process imports.

Where no server is named, Prefect starts one itself, but only as the flow begins, and by importing
all of the server into this process too. Here the same server is started before anything heavy is
imported and named in PREFECT_API_URL. In doubt it is left to Prefect: settings that name a server
or forbid a temporary one, and a server that does not come up.
"""

from __future__ import annotations

import atexit
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

_URL = "PREFECT_API_URL"
# Whoever sets one of these has their own idea of where flows report to.
_TELLING = (_URL, "PREFECT_PROFILE", "PREFECT_PROFILES_PATH", "PREFECT_API_KEY")
_TELLING_PREFIXES = ("PREFECT_SERVER_ALLOW_EPHEMERAL", "PREFECT_SERVER_EPHEMERAL_ENABLED")
_TIMEOUT = "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"
_TIMEOUT_S = 20.0
_LOOK_S = 0.05
_END_S = 5.0


@contextmanager
def early_server() -> Iterator[EarlyServer | None]:
    """Yield a server that is on its way up, or None where Prefect is to find its own."""
    if is_told():
        yield None
        return
    server = EarlyServer()
    os.environ[_URL] = server.url
    try:
        yield server
    finally:
        os.environ.pop(_URL, None)


class EarlyServer:
    """Hold the process of a temporary server; it ends with this one, after Prefect's farewells."""

    def __init__(self) -> None:
        marks = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1"}
        # The port is taken here: until the server has come up, another process might have it.
        with socket.socket() as ours:
            ours.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{ours.getsockname()[1]}/api"
            # A session of its own, for Ctrl-C in a terminal must leave time to tell it of the end.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "crossmodal.cli.temporary_server", str(ours.fileno())],
                env=os.environ | marks | {"PREFECT__SERVER_FINAL": "1"},
                stdin=subprocess.PIPE,
                pass_fds=[ours.fileno()],
                start_new_session=True,
            )
        atexit.register(self.end)

    @contextmanager
    def used(self) -> Iterator[None]:
        """Wait until it answers; within, Prefect uses it, or its own where it never answered.

        It lives no longer than this process, so nobody asks after a heartbeat, whose thread would
        keep the flow run from ending for a second.
        """
        from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY
        from prefect.settings import temporary_settings as settings

        with ExitStack() as stack:
            if self._is_healthy():
                stack.enter_context(settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}))
            else:
                self.end()
                os.environ.pop(_URL, None)
                stack.enter_context(settings(restore_defaults={PREFECT_API_URL}))
            yield

    def end(self) -> None:
        """End the process and reap it; may be called again."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def kill(self) -> None:
        """End the process without its farewells and reap it."""
        self._process.kill()
        self._process.wait()

    def _is_healthy(self) -> bool:
        deadline = time.monotonic() + float(os.environ.get(_TIMEOUT, _TIMEOUT_S))
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                with urlopen(f"{self.url}/health", timeout=_END_S) as answer:
                    if answer.status == 200:
                        return True
            except (URLError, OSError):
                time.sleep(_LOOK_S)
        return False


def is_told() -> bool:
    """Say whether Prefect's settings, wherever they may lie, have a say in which server it is."""
    if any(name in _TELLING or name.startswith(_TELLING_PREFIXES) for name in os.environ):
        return True
    return any("api_url" in text for text in settings_texts())


def prefect_home() -> Path:
    """Return where Prefect keeps what it keeps, as far as the environment says."""
    return Path(os.environ.get("PREFECT_HOME", "~/.prefect")).expanduser()


def settings_texts() -> list[str]:
    """Return name and content, in small letters, of the files where Prefect looks for settings."""
    files = (".env", "prefect.toml", "pyproject.toml")
    paths = (prefect_home() / "profiles.toml", *map(Path, files))
    return [f"{path.name}\n{_text(path)}".lower() for path in paths]


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def serve(descriptor: int) -> None:
    """Be the server of a bound socket, as Prefect starts it, until standard input ends.

    That is when its starter has ended, however it did.
    """
    import uvicorn

    threading.Thread(target=_end_with_starter, daemon=True).start()
    config = uvicorn.Config(
        "prefect.server.api.server:create_app", factory=True, log_level="error", lifespan="on"
    )
    uvicorn.Server(config).run([socket.socket(fileno=descriptor)])


def _end_with_starter() -> None:
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_END_S)
    os._exit(1)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
