"""Define what a parent and its parser child say to each other; both sides import it.

Owns the frame (a length and a pickle) and the kinds of reply; refuses to know about processes, and
imports nothing that would slow down the start of a child.
"""

from __future__ import annotations

import pickle
import struct
from dataclasses import dataclass
from enum import Enum
from typing import Any

LENGTH = struct.Struct("<Q")


class Reply(Enum):
    """Say what a reply of the child is; all but an item end the request."""

    ITEM = "item"
    DONE = "done"
    """With the resident size of the child in bytes."""
    REFUSED = "refused"
    """With reason, detail and whether it is transient; the child is as good as before."""
    OUT_OF_MEMORY = "out_of_memory"
    CRASHED = "crashed"
    """With what the parser raised, in one line."""
    NO_TARGET = "no_target"
    """With why the function that should run cannot be imported: a bug, not the source's fault."""


@dataclass(frozen=True, slots=True)
class Request:
    """Ask a child to run one generator function over one source."""

    module: str
    function: str
    """Its qualified name within the module."""
    args: tuple[Any, ...]
    max_memory_bytes: int


def pack(message: object) -> tuple[bytes, bytes]:
    """Return the length prefix and the pickle of a message."""
    body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return LENGTH.pack(len(body)), body
