"""Run as the process that talks to Ray, serving one query after the other.

A process of its own, because Ray ends its driver without a word when the cluster is gone, because
Daft is bound to one runner for the life of a process, and because Ray talks and takes signals over.
Started as ``python -m crossmodal.embedding.ray.driver DESCRIPTOR`` by ``scale_out``; ends with its
starter, also in the middle of a query.
"""

from __future__ import annotations

import os
import pickle
import queue
import socket
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection
from typing import Any, Literal

from crossmodal.errors import CrossmodalError

_KNOCK_S = 10.0
_LOOK_S = 5.0
_NO_NODE_S = 30.0
Answer = tuple[Literal["ready", "done", "failed", "lost", "gone"], Any]
"""What the cluster said, or that another driver may ask again, or that there is no cluster."""

# What Daft's scheduler says, in errors that are no type of Ray's, of workers that are gone.
_LOST_WORDS = ("died", "unavailable", "lost", "no flotilla workers")


def main(descriptor: int) -> None:
    """Connect to Ray, report readiness, and serve requests until there are no more."""
    os.set_inheritable(descriptor, False)
    starter = Connection(descriptor)
    requests: queue.Queue[Any] = queue.Queue()
    busy = threading.Event()
    threading.Thread(target=_receive, args=(starter, requests, busy), daemon=True).start()
    try:
        daft, ray = _connect()
    except Exception as error:
        return starter.send(("gone", _sentence(error)))
    starter.send(("ready", None))
    threading.Thread(target=_watch, args=(ray, starter, busy), daemon=True).start()
    from crossmodal.embedding.ray.query import run

    while (request := requests.get()) is not None:
        try:
            answer: Answer = ("done", run(daft, ray, request))
        except Exception as error:
            answer = _told(error)
        busy.clear()
        starter.send(answer)
    ray.shutdown()


def _receive(starter: Connection, requests: queue.Queue[Any], busy: threading.Event) -> None:
    """Receive requests; exit at once if the starter is gone while one is being served."""
    while True:
        try:
            request = starter.recv()
        except (EOFError, OSError):
            if busy.is_set():
                os._exit(1)
            return requests.put(None)
        busy.set()
        requests.put(request)


def _watch(ray: Any, starter: Connection, busy: threading.Event) -> None:
    """Give up after a while without a usable node, since Daft would wait for ever."""
    left_s = _NO_NODE_S
    while left_s > 0:
        time.sleep(_LOOK_S)
        able = any(node["Alive"] and node["Resources"].get("CPU") for node in ray.nodes())
        left_s = _NO_NODE_S if able or not busy.is_set() else left_s - _LOOK_S
    starter.send(("gone", f"for {_NO_NODE_S:g} s it has had no node with a processor"))
    os._exit(1)


def _connect() -> tuple[Any, Any]:
    _knock(os.environ.get("RAY_ADDRESS", ""))
    import daft
    import ray

    ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    daft.set_runner_ray()
    return daft, ray


def _knock(address: str) -> None:
    """Fail within seconds if nothing listens at the address; Ray itself takes minutes."""
    host, separator, port = address.rpartition(":")
    if separator and "://" not in address and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), _KNOCK_S).close()


def _told(error: BaseException) -> Answer:
    """Return the answer to a failure: an operator's exception, or that the cluster was lost."""
    from ray.exceptions import RayError, RayTaskError

    cause = error
    while isinstance(cause, RayTaskError) and isinstance(cause.cause, BaseException):
        cause = cause.cause
    if not isinstance(cause, CrossmodalError):
        words = str(cause).lower()
        if isinstance(cause, RayError) or any(word in words for word in _LOST_WORDS):
            return "lost", _sentence(cause)
    over_there = "".join(traceback.format_exception(error))
    cause.add_note(over_there)
    try:
        pickle.loads(pickle.dumps(cause))
    except Exception:  # a type that cannot travel
        return "failed", RuntimeError(over_there)
    return "failed", cause


def _sentence(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"


if __name__ == "__main__":
    main(int(sys.argv[1]))
