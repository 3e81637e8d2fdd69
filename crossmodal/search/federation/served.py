"""Ask a collection that another process serves, by the HTTP API of the search page.

Owns the client. What comes back is somebody else's: an answer is bounded, read against a form, and
never leads elsewhere (no redirect, no proxy). The token travels in a header to the address that it
belongs to, and in no message.
"""

from __future__ import annotations

import http.client
import ssl
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlencode, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from crossmodal.errors import PathError, Refused
from crossmodal.files.read import read_source
from crossmodal.modalities import Modality
from crossmodal.records import SECTION_SEPARATOR, Hit
from crossmodal.search.answer import Answer
from crossmodal.search.federation.parts import Part
from crossmodal.search.federation.unanswered import Unanswered
from crossmodal.search.options import QueryOptions
from crossmodal.search.service import Query
from crossmodal.views.human import printable

_API = "/api/v1"
_MAX_PAGE = 100
_MIN_PAGE = 25
_MAX_OFFSET = 10_000
_MAX_ANSWER_BYTES = 64_000_000
_MAX_PICTURE_BYTES = 20_000_000
_TOLD_CHARS = 300
_WORDS = {
    "bad_filter": "bad_filter",
    "collection_busy": "busy",
    "collection_empty": "empty",
    "collection_missing": "missing",
    "collection_unreadable": "damaged",
    "model_unavailable": "no_model",
    "token_needed": "no_token",
}
"""What the API calls an error, and what it is called here."""


class _Form(BaseModel):
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


class _FoundHit(_Form):
    score: float
    uri: str
    chunk_id: int
    kind: str
    modality: Modality
    media_type: str
    size_bytes: int
    modified: datetime | None
    num_copies: int
    text: str
    section: list[str]
    facts: dict[str, Any]
    merit: float | None
    strength: Literal["strong", "likely", "weak"] | None
    alike: list[str]
    snippet: str
    spans: list[tuple[int, int]]


class _Found(_Form):
    model: str
    next_offset: int | None
    notices: list[str]
    hits: list[_FoundHit]


class _List(_Form):
    model: str
    modality: str
    num_vectors: Annotated[int, Field(ge=0)]
    is_live: bool


class _Status(_Form):
    lists: list[_List]


class _Problem(_Form):
    error: str
    detail: str


@dataclass(frozen=True, slots=True)
class ServedMember:
    """Ask a collection at ``http://host:port``."""

    address: str
    token: str = field(default="", repr=False)

    def ask(self, query: Query, options: QueryOptions, num: int, patience_s: float) -> Part:
        """Return its best hits, read page by page, each ordered as for the page that is wanted."""
        deadline = time.monotonic() + patience_s
        body = _body(query)
        size = min(_MAX_PAGE, max(_MIN_PAGE, options.k))
        hits: list[Hit] = []
        while True:
            path = f"{_API}/search?{_asked(query, options, size, len(hits))}"
            found = self._read(_Found, path, body, deadline)
            hits += [_hit(each, len(hits) + n) for n, each in enumerate(found.hits[:size], 1)]
            has_more = found.next_offset is not None and len(found.hits) >= size
            if len(hits) >= num or not has_more or len(hits) > _MAX_OFFSET:
                break
        status = self._read(_Status, f"{_API}/status", None, deadline)
        answer = Answer(
            query=query.title,
            model=found.model,
            hits=hits,
            has_more=has_more and len(hits) <= _MAX_OFFSET,
            notices=found.notices,
        )
        return Part(self.address, answer, _sizes(status, found.model))

    def _read(self, form: type[Any], path: str, body: bytes | None, deadline: float) -> Any:
        """Return an answer of the API.

        Raises:
            Unanswered: it is not reached, is late, refuses, or answers in another form.
        """
        try:
            status, content = self._exchange(path, body, deadline)
        except TimeoutError:
            raise Unanswered(self.address, "slow", "did not answer in time") from None
        except ssl.SSLError as error:
            raise Unanswered(self.address, "unreachable", f"{error.reason}") from None
        except (OSError, http.client.HTTPException) as error:
            told = getattr(error, "strerror", None) or type(error).__name__
            raise Unanswered(self.address, "unreachable", f"broke off: {told}") from None
        if status != http.client.OK:
            raise self._refusal(status, content)
        try:
            return form.model_validate_json(content)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the body"
            raise Unanswered(
                self.address,
                "another_schema",
                f"answers in a form that this crossmodal does not read ({where}: {first['msg']}): "
                "upgrade the older of the two",
            ) from None

    def _exchange(self, path: str, body: bytes | None, deadline: float) -> tuple[int, bytes]:
        connection = self._connection(_left(deadline))
        try:
            headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
            if body is not None:
                headers["Content-Type"] = "application/octet-stream"
            connection.request("GET" if body is None else "POST", path, body, headers)
            response = connection.getresponse()
            content = bytearray()
            while part := response.read1(1 << 16):
                content += part
                if len(content) > _MAX_ANSWER_BYTES:
                    raise Unanswered(self.address, "refused", "answers without end")
                if connection.sock is not None:
                    connection.sock.settimeout(_left(deadline))
            if response.length:  # what was promised did not come
                raise http.client.IncompleteRead(b"", response.length)
            return response.status, bytes(content)
        finally:
            connection.close()

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        parts = urlsplit(self.address)
        if parts.scheme == "https":
            return http.client.HTTPSConnection(str(parts.hostname), parts.port, timeout=timeout_s)
        return http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=timeout_s)

    def _refusal(self, status: int, content: bytes) -> Unanswered:
        try:
            told = _Problem.model_validate_json(content[:100_000])
        except ValidationError:
            return Unanswered(self.address, "refused", f"answers {status} and is no crossmodal")
        if told.error == "token_needed":
            detail = "asks for its token: put `ADDRESS TOKEN` into the file of CROSSMODAL_TOKENS"
            return Unanswered(self.address, "no_token", detail)
        detail = printable(told.detail[:_TOLD_CHARS])
        return Unanswered(self.address, _WORDS.get(told.error, "refused"), detail)


def _left(deadline: float) -> float:
    """Return the seconds that are left.

    Raises:
        TimeoutError: none is.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _body(query: Query) -> bytes | None:
    """Return the picture that asks; None for a text.

    Raises:
        PathError: it cannot be read, or is too large to be sent.
    """
    if query.text:
        return None
    if isinstance(query.picture, bytes):
        return query.picture
    try:
        return read_source(query.picture, _MAX_PICTURE_BYTES)
    except (OSError, Refused) as error:
        raise PathError(f"{query.picture} cannot be read to be sent: {error}") from error


def _asked(query: Query, options: QueryOptions, size: int, offset: int) -> str:
    asked: list[tuple[str, object]] = [("q", query.text)] if query.text else []
    asked += [("k", size), ("offset", offset), ("mode", options.mode), ("rerank", "false")]
    asked += [("group", str(options.group).lower())]
    asked += [("where", condition) for condition in options.where]
    asked += [("modality", modality) for modality in options.modalities]
    if options.min_strength:
        asked.append(("min_strength", options.min_strength))
    return urlencode(asked)


def _hit(found: _FoundHit, rank: int) -> Hit:
    same = found.model_dump(exclude={"section", "facts", "strength"})
    return Hit(
        rank=rank,
        ordinal=0,
        section=SECTION_SEPARATOR.join(found.section),
        meta=found.facts,
        strength=found.strength or "",
        **same,
    )


def _sizes(status: _Status, model: str) -> dict[str, int]:
    """Return the vectors that were searched by modality: the longest list of what answered."""
    labels = model.split(" + ")
    asked = [held for held in status.lists if held.model in labels]
    sizes: dict[str, int] = {}
    for held in asked or [held for held in status.lists if held.is_live]:
        sizes[held.modality] = max(sizes.get(held.modality, 0), held.num_vectors)
    return sizes
