"""Draw how a training went: its loss and its dev recall, epoch by epoch, as one PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from crossmodal.errors import PathError
from crossmodal.training.epochs import Epoch

if TYPE_CHECKING:
    from PIL import ImageDraw

_SIZE = (720, 320)
_MARGIN = 44
_LOSS, _AT_1, _AT_10 = "#b04020", "#2050a0", "#50a060"


def draw_curves(epochs: Sequence[Epoch], best_epoch: int, path: Path) -> None:
    """Write the picture: the loss scaled to its own largest, recalls from 0 to 1.

    Raises:
        PathError: it cannot be written.
    """
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", _SIZE, "white")
    pen = ImageDraw.Draw(picture)
    top = max((epoch.loss for epoch in epochs), default=1.0) or 1.0
    _frame(pen, best_epoch, len(epochs))
    _line(pen, [epoch.loss / top for epoch in epochs], _LOSS)
    _line(pen, [epoch.dev.at_1 for epoch in epochs], _AT_1)
    _line(pen, [epoch.dev.at_10 for epoch in epochs], _AT_10)
    names = ((f"loss (1 = {top:.3g})", _LOSS), ("dev recall@1", _AT_1), ("dev recall@10", _AT_10))
    for place, (name, colour) in enumerate(names):
        pen.text((_MARGIN + 150 * place, 8), name, fill=colour)
    try:
        picture.save(path, format="PNG")
    except OSError as error:
        raise PathError(f"the curves cannot be written to {path}: {error}") from error


def _frame(pen: ImageDraw.ImageDraw, best_epoch: int, num: int) -> None:
    width, height = _SIZE
    pen.rectangle((_MARGIN, 26, width - 12, height - _MARGIN), outline="#888888")
    for label, share in (("0", 0.0), ("0.5", 0.5), ("1", 1.0)):
        pen.text((12, _y(share) - 6), label, fill="#444444")
    if best_epoch:
        x = _x(best_epoch - 1, num)
        pen.line((x, _y(0), x, _y(1)), fill="#bbbbbb")
        pen.text((x - 20, height - 36), f"epoch {best_epoch}", fill="#444444")


def _line(pen: ImageDraw.ImageDraw, shares: Sequence[float], colour: str) -> None:
    points = [(_x(place, len(shares)), _y(share)) for place, share in enumerate(shares)]
    if len(points) > 1:
        pen.line(points, fill=colour, width=2)


def _x(place: int, num: int) -> float:
    return _MARGIN + 8 + place * (_SIZE[0] - _MARGIN - 28) / max(1, num - 1)


def _y(share: float) -> float:
    low, high = _SIZE[1] - _MARGIN - 4, 30
    return low - share * (low - high)
