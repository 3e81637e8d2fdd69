"""Admit the pictures of a document that show something, each once; runs in the child.

Owns what counts as decoration and how a picture is made small enough to travel. What cannot be
decoded becomes a flaw, not a refusal: the text around it is still good.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from crossmodal.chunking.documents.items import Flaw, Picture, Wishes
from crossmodal.errors import Refused

if TYPE_CHECKING:
    from PIL import Image

MIN_SIDE = 48
MAX_ASPECT = 8.0
_MAX_FLAWS = 100
_MAX_CAPTION = 1500
_CAPTION = re.compile(
    r"(?:fig(?:ure|\.)?|abb(?:ildung|\.)|table|tab\.|tabelle|tableau|figura|rys\.|chart|diagram|plate"
    r"|exhibit|scheme|图|表|図|그림|рис\.)(?:\s*[\dA-Z一二三四五六七八九十]|\s*[\u2013\u2014:-])",
    re.IGNORECASE,
)


class Gallery:
    """Turn encoded pictures into figures."""

    def __init__(self, wishes: Wishes) -> None:
        self._wishes = wishes
        self._seen: set[bytes] = set()
        self._num_flaws = 0

    def admit(self, data: bytes, part: str, **about: Any) -> Iterator[Picture | Flaw]:
        """Yield the figure, a flaw, or nothing where it is decoration or was seen before.

        ``about`` is what ``Picture`` holds besides pixels and facts.
        """
        if not self._wishes.figures or not self.is_new(data):
            return
        from crossmodal.pictures.decode import ImageLimits, decode

        limits = ImageLimits(self._wishes.max_megapixels, self._wishes.picture_side)
        try:
            decoded = decode(data, limits)
        except Refused as refused:
            yield from self.flaw(part, refused.reason, refused.detail)
            return
        if is_decoration(decoded.width, decoded.height):
            return
        facts = {
            "format": decoded.format,
            "width": decoded.width,
            "height": decoded.height,
        }
        small = shrink(decoded.image, self._wishes.picture_side)
        yield Picture(
            kind="figure",
            rgb=small.tobytes(),
            width=small.width,
            height=small.height,
            facts=facts,
            **about,
        )

    def is_new(self, data: bytes) -> bool:
        """Return whether these bytes come for the first time."""
        digest = hashlib.blake2b(data, digest_size=16).digest()
        if digest in self._seen:
            return False
        self._seen.add(digest)
        return True

    def flaw(self, part: str, reason: str, detail: str) -> Iterator[Flaw]:
        """Yield a flaw; after a hundred of one document there is nothing more to learn."""
        self._num_flaws += 1
        if self._num_flaws <= _MAX_FLAWS:
            yield Flaw(part, reason, detail)


def looks_like_caption(text: str) -> bool:
    """Return whether a text begins as captions do: Figure 3, Abb. 2:, Table IV."""
    return len(text) < _MAX_CAPTION and bool(_CAPTION.match(text))


def is_decoration(width: float, height: float) -> bool:
    """Return whether a picture of this size is a bullet, a rule or a bar."""
    short, long = sorted((width, height))
    return short < MIN_SIDE or long > MAX_ASPECT * short


def shrink(image: Image.Image, side: int | None) -> Image.Image:
    """Return the picture with a shorter side of at most ``side`` pixels."""
    from PIL import Image

    if side is None or min(image.size) <= side:
        return image
    scale = side / min(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
