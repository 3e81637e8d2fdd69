"""Join the lines of a PDF page to paragraphs; runs in the child.

Owns what separates two paragraphs and how a broken word is mended; refuses to know PDFium.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from crossmodal.chunking.documents.pdf.lines import Line

_SENTENCE_END = tuple('.!?:;\u3002\uff01\uff1f\u201d"')
_NO_SPACE = re.compile("[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]")  # Han and kana, not Hangul
_ITEM = re.compile(r"(?:[\u2022\u25aa\u25cf\u25e6\u2013*]|\(?\d{1,2}[.)]|[a-z]\))\s")
_SIZE_STEP = 1.12
_WIDE_GAP = 0.55


@dataclass(slots=True)
class Paragraph:
    """Hold lines that belong together, and the box around them in points, y upwards."""

    lines: list[Line]

    @property
    def text(self) -> str:
        """Return the lines joined, with broken words mended."""
        text = ""
        for line, following in zip(self.lines, [*self.lines[1:], None], strict=True):
            text += line.text + ("" if following is None else _joint(line, following))
        return text

    @property
    def size(self) -> float:
        """Return the size of the first line."""
        return self.lines[0].size

    @property
    def bold(self) -> bool:
        """Return whether every line is bold."""
        return all(line.bold for line in self.lines)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Return left, bottom, right, top."""
        return (
            min(line.left for line in self.lines),
            min(line.bottom for line in self.lines),
            max(line.right for line in self.lines),
            max(line.top for line in self.lines),
        )


def paragraphs(lines: Sequence[Line]) -> list[Paragraph]:
    """Return the lines as paragraphs, in the same order."""
    found: list[Paragraph] = []
    for line in lines:
        if found and _goes_on(found[-1].lines[-1], line):
            found[-1].lines.append(line)
        else:
            found.append(Paragraph([line]))
    return found


def _goes_on(above: Line, line: Line) -> bool:
    if not _alike(above, line):
        return False
    if _beside(above, line):
        return line.left - above.right < 6 * line.size
    if _ITEM.match(line.text):
        return False
    if line.bottom >= above.top:  # the next column, or the top of something else
        return not above.text.endswith(_SENTENCE_END) and line.text[:1].islower()
    gap = above.bottom - line.top
    overlap = min(above.right, line.right) - max(above.left, line.left)
    return gap < _WIDE_GAP * line.size and overlap > 0


def _alike(above: Line, line: Line) -> bool:
    small, large = sorted((above.size, line.size))
    if large > small * _SIZE_STEP and not _beside(above, line):
        return False
    return above.bold == line.bold or _beside(above, line) or not line.text[:1].isupper()


def _beside(above: Line, line: Line) -> bool:
    """Return whether both stand on one line of the page, as cells of a table do."""
    overlap = min(above.top, line.top) - max(above.bottom, line.bottom)
    return overlap > 0.5 * min(above.top - above.bottom, line.top - line.bottom)


def _joint(line: Line, following: Line) -> str:
    if line.hyphen:
        return ""
    if _beside(line, following) and following.left - line.right > line.size:
        return "  "
    if _NO_SPACE.match(line.text[-1]) and _NO_SPACE.match(following.text[0]):
        return ""
    return " "
