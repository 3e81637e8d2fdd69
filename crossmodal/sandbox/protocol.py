"""Define what a parent and its parser child say to each other; both sides import it.

Owns the two frames and the kinds of reply; refuses to know about processes, and imports nothing
that would slow down the start of a child. A request is a pickle, since a child believes its
parent; a reply is plain data, since a parent does not believe its child.
"""

from __future__ import annotations

import json
import pickle
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from crossmodal.sandbox.plain import Buffers, Unexpected, read, written

REQUEST_HEAD = struct.Struct("<Q")
"""The bytes of the pickle."""
REPLY_HEAD = struct.Struct("<QQQ")
"""The bytes of the JSON, the number of buffers, and the bytes of all of them."""
_SIZE = struct.Struct("<Q")


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


_PAYLOADS: dict[Reply, tuple[Any, ...]] = {
    Reply.DONE: (int,),
    Reply.REFUSED: (tuple[str, str, bool],),
    Reply.OUT_OF_MEMORY: (type(None),),
    Reply.CRASHED: (str,),
    Reply.NO_TARGET: (str,),
}


@dataclass(frozen=True, slots=True)
class Request:
    """Ask a child to run one generator function over one source."""

    module: str
    function: str
    """Its qualified name within the module."""
    args: tuple[Any, ...]
    max_seconds: float
    """Of the processor."""
    max_memory_bytes: int


@dataclass(frozen=True, slots=True)
class OpenFile:
    """Stand in a request for an open file that is sent beside it."""

    number: int


def pack_request(request: Request) -> tuple[bytes, bytes]:
    """Return the length prefix and the pickle of a request."""
    body = pickle.dumps(request, protocol=pickle.HIGHEST_PROTOCOL)
    return REQUEST_HEAD.pack(len(body)), body


def pack_reply(reply: Reply, payload: object) -> list[bytes | memoryview]:
    """Return the parts of a reply's frame.

    Raises:
        TypeError: The payload is no plain data.
    """
    name, body, buffers = written(payload)
    text = b"[%s,%s,%s]" % (json.dumps(reply.value).encode(), json.dumps(name).encode(), body)
    sizes = b"".join(_SIZE.pack(buffer.nbytes) for buffer in buffers)
    head = REPLY_HEAD.pack(len(text), len(buffers), sum(buffer.nbytes for buffer in buffers))
    return [head + text + sizes, *buffers]


def num_bytes_after(head: bytes | bytearray) -> int:
    """Return how many bytes follow the head of a reply."""
    num_text, num_buffers, num_buffered = REPLY_HEAD.unpack(head)
    return int(num_text + num_buffers * _SIZE.size + num_buffered)


def unpack_reply(head: bytes, body: bytearray, shapes: Sequence[Any]) -> tuple[Reply, Any]:
    """Return what a reply says; an item has one of the shapes that are expected.

    Raises:
        Unexpected: It is no reply, or none of these.
    """
    num_text, num_buffers, _ = REPLY_HEAD.unpack(head)
    with memoryview(body) as whole:
        try:
            value = json.loads(bytes(whole[:num_text]))
        except (ValueError, RecursionError) as error:
            raise Unexpected(f"no JSON: {error}") from error
    reply, name, payload = _parts(value)
    buffers = _buffers(body, num_text, num_buffers)
    expected = shapes if reply is Reply.ITEM else _PAYLOADS[reply]
    return reply, read(payload, name, expected, buffers)


def _parts(value: Any) -> tuple[Reply, str, Any]:
    try:
        kind, name, payload = value
        return Reply(kind), str(name), payload
    except (TypeError, ValueError) as error:
        raise Unexpected("no reply") from error


def _buffers(body: bytearray, num_text: int, num_buffers: int) -> Buffers:
    at = num_text + num_buffers * _SIZE.size
    sizes = struct.unpack_from(f"<{num_buffers}Q", body, num_text)
    buffers, whole = [], memoryview(body)
    for size in sizes:
        buffers.append(whole[at : at + size])
        at += size
    if at != len(body):
        raise Unexpected("buffers of other lengths than their sum")
    return buffers
