"""Learn from a few pages what is usual in a PDF, before it is read; runs in the child.

Owns what counts as running text body, as a running header or footer, and as a picture that is on
many pages. The cost does not grow with the number of pages.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from crossmodal.chunking.documents.pdf.lines import Line, read_lines

_MAX_SAMPLES = 12
_REPEATED = 3
_EDGE_LINES = 2
_MAX_IMAGES = 40
_DIGITS = re.compile(r"\d+")


@dataclass(slots=True)
class Survey:
    """Say what is usual in a document."""

    body_size: float = 0.0
    """Line size in which most of the text is set; 0 where there is none."""
    running: set[str] = field(default_factory=set)
    """Headers and footers, with # for numbers."""
    repeated_images: set[bytes] = field(default_factory=set)

    def without_running(self, lines: Sequence[Line]) -> list[Line]:
        """Return the lines that are no header or footer."""
        edges = {id(line) for line in _edges(lines)}
        return [
            line
            for line in lines
            if id(line) not in edges or _normal(line.text) not in self.running
        ]


def survey(document: Any) -> Survey:
    """Read up to a dozen pages; pages that cannot be read count for nothing."""
    import pypdfium2

    sizes: Counter[float] = Counter()
    edges: Counter[str] = Counter()
    images: Counter[bytes] = Counter()
    for number in _sample(len(document)):
        try:
            page = document[number]
            lines = read_lines(page)
            images.update(_image_digests(page))
            page.close()
        except pypdfium2.PdfiumError:
            continue
        for line in lines:
            sizes[round(line.size * 2) / 2] += len(line.text)
        edges.update({_normal(line.text) for line in _edges(lines)})
    return Survey(
        body_size=max(sizes, key=lambda size: sizes[size]) if sizes else 0.0,
        running={text for text, count in edges.items() if count >= _REPEATED},
        repeated_images={digest for digest, count in images.items() if count >= _REPEATED},
    )


def image_digest(image: Any) -> bytes:
    """Return what tells one image object's data from another's."""
    width, height = image.get_px_size()
    return hashlib.blake2b(
        bytes(image.get_data()), digest_size=16, key=f"{width}x{height}".encode()
    ).digest()


def _sample(num_pages: int) -> Iterator[int]:
    """Yield all pages, or runs of three: left and right pages have other headers."""
    if num_pages <= _MAX_SAMPLES:
        yield from range(num_pages)
        return
    num_runs = _MAX_SAMPLES // 3
    for run in range(num_runs):
        first = (num_pages - 3) * run // (num_runs - 1)
        yield from range(first, first + 3)


def _edges(lines: Sequence[Line]) -> list[Line]:
    by_height = sorted(lines, key=lambda line: line.bottom)
    return by_height[:_EDGE_LINES] + by_height[-_EDGE_LINES:]


def _normal(text: str) -> str:
    return _DIGITS.sub("#", " ".join(text.split()).lower())


def _image_digests(page: Any) -> set[bytes]:
    import pypdfium2.raw as pdfium

    digests: set[bytes] = set()
    for image in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=2):
        digests.add(image_digest(image))
        if len(digests) >= _MAX_IMAGES:
            break
    return digests
