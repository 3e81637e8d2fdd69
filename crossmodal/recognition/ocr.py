"""Read the text in pictures: find its lines, turn them upright, recognise them.

Owns the engine and the order of lines; refuses to decode files or to cut what was read into
passages. The engine is RapidOCR, whose wheel carries its networks (PP-OCRv6, Apache-2.0): nothing
is downloaded. Invariant: a picture in which the detector finds no text is not recognised at all,
so that photos cost one small pass.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from crossmodal.errors import ExtraMissing

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MIN_SCORE = 0.5
"""Lines that the recogniser is less sure of, 0 to 1, are dropped: RapidOCR's own default."""


PARAGRAPH_GAP = 1.0
"""Within a paragraph lines stand 0.2 to 0.6 of their height apart."""


class TextLine(NamedTuple):
    """Hold one line of text in a picture."""

    text: str
    box: tuple[int, int, int, int]
    """Left, top, right, bottom in pixels of the picture as it was given."""
    score: float
    """How sure the recogniser is, 0 to 1."""


class TextReader:
    """Read pictures, one at a time; safe between threads."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._turn = threading.Lock()

    def read(self, pixels: npt.NDArray[np.uint8]) -> list[TextLine]:
        """Return the lines of a picture in reading order; none where it holds no text.

        A page that stands on its head is read as if it were turned round.

        Args:
            pixels: (height, width, 3) uint8, RGB.
        """
        bgr = pixels[:, :, ::-1]
        with self._turn:
            small, scaling = self._engine.preprocess_img(bgr)
            found, turned, texts, crops = self._engine.run_ocr_steps(small, scaling)
            read = self._engine.build_final_output(bgr, found, turned, texts, crops, scaling)
        if read.txts is None or read.boxes is None:
            return []
        lines = [
            TextLine(text, _upright(box), float(score))
            for text, box, score in zip(read.txts, read.boxes, read.scores, strict=True)
            if text.strip()
        ]
        return lines[::-1] if _is_upside_down(turned) else lines


def paragraphs(lines: Sequence[TextLine]) -> list[str]:
    """Return the text of lines that stand together: a paragraph, or the message of a chat.

    A new one begins where the gap to the line before is wider than ``PARAGRAPH_GAP`` line heights,
    or where a line stands above that one, as a column does.
    """
    found: list[list[str]] = []
    before: TextLine | None = None
    for line in lines:
        if before is None or _is_apart(before, line):
            found.append([])
        found[-1].append(line.text)
        before = line
    return ["\n".join(together) for together in found]


def require_engine() -> None:
    """Say early that pictures cannot be read here; costs no import.

    Raises:
        ExtraMissing: the engine is not installed.
    """
    if find_spec("rapidocr") is None:
        raise ExtraMissing(
            "reading text in pictures needs an engine that is not installed: "
            "pip install 'crossmodal[ocr]', or leave --ocr out"
        )


@cache
def text_reader() -> TextReader:
    """Return this process's reader; its networks are loaded by the first picture with text.

    Raises:
        ExtraMissing: the engine is not installed.
    """
    require_engine()
    from rapidocr import RapidOCR

    settings = {"Global.log_level": "error", "Global.text_score": MIN_SCORE}
    return TextReader(RapidOCR(params=settings))


def _is_apart(before: TextLine, line: TextLine) -> bool:
    height = (before.box[3] - before.box[1] + line.box[3] - line.box[1]) / 2
    gap = line.box[1] - before.box[3]
    return gap > PARAGRAPH_GAP * height or gap < -2 * height


def _upright(box: npt.NDArray[np.float32]) -> tuple[int, int, int, int]:
    """Return the upright rectangle around the four corners of a line."""
    (left, top), (right, bottom) = box.min(axis=0), box.max(axis=0)
    return round(left), round(top), round(right), round(bottom)


def _is_upside_down(turned: Any) -> bool:
    """Return whether most lines had to be turned round to be read."""
    labels: list[str] = [label for label, _ in turned.cls_res or []]
    return labels.count("180") > len(labels) / 2
