"""Draw where a run's time went: one bar a stage, thinner ones for the operators inside it.

Owns the geometry and the colours; refuses to compute (``profile``). The picture has a white ground
of its own, so that it reads the same in a light and in a dark UI.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossmodal.views.human import human_seconds, percent

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

    from crossmodal.runs.profile import Profile

_WIDTH = 1200
_NAMES_WIDTH = 230
_FIGURES_WIDTH = 230
_ROW_HEIGHT = 40
_MARGIN = 16
_FONT_SIZE = 22
_GROUND, _RAIL, _INK, _FAINT_INK = "#ffffff", "#eef1f6", "#1f2937", "#6b7280"
_STAGE, _LONGEST_STAGE, _OPERATOR = "#5b8def", "#1d4ed8", "#a3bffa"


@dataclass(frozen=True, slots=True)
class _Bar:
    name: str
    figures: str
    share: float
    """Of the run's wall time, 0 to 1."""
    colour: str
    is_operator: bool


def stage_picture(profile: Profile) -> bytes:
    """Return a PNG of the profile's stages; of none, an empty strip."""
    from PIL import Image, ImageDraw, ImageFont

    bars = _bars(profile)
    image = Image.new("RGB", (_WIDTH, 2 * _MARGIN + _ROW_HEIGHT * len(bars)), _GROUND)
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(_FONT_SIZE)
    for row, bar in enumerate(bars):
        _draw(pen, font, bar, _MARGIN + row * _ROW_HEIGHT)
    out = io.BytesIO()
    image.quantize(64).save(out, "PNG", optimize=True)
    return out.getvalue()


def _bars(profile: Profile) -> list[_Bar]:
    longest = max((stage.wall_s for stage in profile.stages), default=0.0)
    bars = []
    for stage in profile.stages:
        colour = _LONGEST_STAGE if stage.wall_s == longest else _STAGE
        figures = f"{human_seconds(stage.wall_s)} · {percent(stage.share)}"
        bars.append(_Bar(stage.name, figures, stage.share, colour, is_operator=False))
        for operator in stage.operators:
            share = stage.share * operator.utilisation
            figures = f"{human_seconds(operator.active_s)}"
            bars.append(_Bar(operator.name, figures, share, _OPERATOR, is_operator=True))
    return bars


def _draw(pen: ImageDraw, font: FreeTypeFont | ImageFont, bar: _Bar, top: int) -> None:
    left, right = _NAMES_WIDTH, _WIDTH - _FIGURES_WIDTH
    inset = 13 if bar.is_operator else 6
    length = max(round((right - left) * bar.share), 2)
    bottom = top + _ROW_HEIGHT - inset
    pen.rectangle((left, top + inset, right, bottom), fill=_RAIL)
    pen.rectangle((left, top + inset, left + length, bottom), fill=bar.colour)
    ink = _FAINT_INK if bar.is_operator else _INK
    indent = _MARGIN * (2 if bar.is_operator else 1)
    middle = top + _ROW_HEIGHT // 2
    pen.text((indent, middle), bar.name, fill=ink, font=font, anchor="lm")
    pen.text((_WIDTH - _MARGIN, middle), bar.figures, fill=ink, font=font, anchor="rm")
