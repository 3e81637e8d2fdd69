"""Send a shard to a Ray cluster and collect its results, retrying when nodes are lost.

Owns the one process that talks to Ray (``ray_driver``): starts it, asks it, and starts another
where it or the cluster was lost. Refuses to know what a query is. A cluster that stays lost is an
error worth a later retry; what is committed stays committed.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from crossmodal.embedding.ray.query import Request, read_rows
from crossmodal.errors import CrossmodalError

if TYPE_CHECKING:
    from crossmodal.embedding.options import EmbedOptions
    from crossmodal.embedding.ray.driver import Answer
    from crossmodal.embedding.rows import EmbeddedChunk, PlannedSource, Refusal
    from crossmodal.encoders.lineup_encoders import Encoders
    from crossmodal.records import Span

_COMMAND = (sys.executable, "-P", "-W", "ignore", "-m", "crossmodal.embedding.ray.driver")
_ATTEMPTS = 3
_END_S = 10.0
_TOLD_CHARS = 500
# Quiet by default; what the user has set wins.
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_DASHBOARD": "1",
    "DAFT_PROGRESS_BAR": "0",
    "DAFT_ANALYTICS_ENABLED": "0",
}


class ClusterLost(CrossmodalError, ConnectionError):
    """The Ray cluster is unreachable, or failed to do a shard after every attempt."""


def run_on_ray(
    sources: list[PlannedSource],
    encoders: Encoders,
    options: EmbedOptions,
    record: Callable[[Span], None],
) -> list[EmbeddedChunk | Refusal]:
    """Return what became of the sources, in their order; a lost node costs another attempt.

    The cluster is the one that RAY_ADDRESS names, else one that is started on this machine.

    Raises:
        CrossmodalError: The extra is not installed, or a node cannot do it, such as for want of the
            model.
        ClusterLost: There is no cluster, or none that stays.
    """
    if find_spec("ray") is None:
        message = "runner ray needs the extra of that name: pip install 'crossmodal[ray]'"
        raise CrossmodalError(message)
    request = Request(sources, encoders.lineup, encoders.device, options)
    for attempt in range(_ATTEMPTS):
        try:
            rows = _ask(request)
            break
        except _Lost as lost:
            if lost.is_certain or attempt == _ATTEMPTS - 1:
                raise ClusterLost(_explained(str(lost))) from None
            time.sleep(2**attempt)
    done, spans = read_rows(rows)
    for span in spans:
        record(span)
    place = {source.uri: number for number, source in enumerate(sources)}
    return sorted(done, key=lambda row: place[row.uri])


class _Lost(Exception):
    """An attempt failed; ``is_certain`` says that the next would fail too."""

    def __init__(self, told: str, *, is_certain: bool = False) -> None:
        super().__init__(told)
        self.is_certain = is_certain


class _Driver:
    """Hold the process that talks to the cluster of one address; used by one thread at a time."""

    def __init__(self, address: str | None) -> None:
        self.address = address
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self._pipe, theirs = multiprocessing.Pipe()
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        descriptor = theirs.fileno()
        # -P as in the parsers' processes; a session of its own, for Ctrl-C is not for it to heed.
        self._process = subprocess.Popen(
            [*_COMMAND, str(descriptor)],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env=_ENVIRONMENT | os.environ | {"PYTHONPATH": paths},
            pass_fds=[descriptor],
            start_new_session=True,
        )
        theirs.close()
        self._is_ready = False

    def ask(self, request: Request) -> Any:
        """Return the answer to a request.

        Raises:
            _Lost: There is no cluster, or the process or what it talked to died of it.
        """
        if not self._is_ready:
            self._receive()
            self._is_ready = True
        try:
            self._pipe.send(request)
        except OSError:
            raise _Lost(self._last_words()) from None
        return self._receive()

    def end(self, grace_s: float = 0.0) -> None:
        """End the process and reap it; may be called again."""
        self._pipe.close()
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _receive(self) -> Any:
        try:
            answer: Answer = self._pipe.recv()
        except (EOFError, OSError):
            raise _Lost(self._last_words()) from None
        kind, told = answer
        if kind == "failed":
            raise told
        if kind in ("lost", "gone"):
            raise _Lost(told, is_certain=kind == "gone")
        return told

    def _last_words(self) -> str:
        self._process.wait()
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        said = lines[-1][-_TOLD_CHARS:] if lines else "no word"
        return f"Ray ended its driver with exit code {self._process.returncode}: {said}"


_TURN = threading.Lock()
_drivers: list[_Driver] = []


def _ask(request: Request) -> Any:
    """Ask the driver of this process; a driver that failed to answer is replaced."""
    address = os.environ.get("RAY_ADDRESS")
    with _TURN:
        if _drivers and _drivers[0].address != address:
            _drivers.pop().end(_END_S)
        if not _drivers:
            _drivers.append(_Driver(address))
        try:
            return _drivers[0].ask(request)
        except BaseException:  # also Ctrl-C: an answer may still be on its way
            _drivers.pop().end()
            raise


@atexit.register
def _end() -> None:
    while _drivers:
        _drivers.pop().end(_END_S)


def _explained(told: str) -> str:
    address = os.environ.get("RAY_ADDRESS")
    where = f"the Ray cluster at {address}" if address else "the Ray cluster of this machine"
    return f"{where} is lost ({told}); what is committed stays, run again to do the rest"
