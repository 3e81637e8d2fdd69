"""Find where on a PDF page the figures are: photos, their tiles, drawings; runs in the child.

Owns the grouping of page objects. Photos stay apart, tiles of one photo are joined, and lines and
fills that lie close together make a drawing. Coordinates are the page's own: points, y upwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from crossmodal.chunking.documents.pdf.lines import Line, line_box

Box = tuple[float, float, float, float]
"""Left, bottom, right, top."""

_MAX_OBJECTS = 20_000
_MAX_IMAGES = 300
_MAX_CELLS = 200_000
_MAX_DEPTH = 4
_WHOLE_PAGE = 0.8
_SEAM = 1.5
_MIN_POINTS = 40.0
_GRID = 100
_THIN = 1.5
_MIN_STROKES = 8
_MAX_TEXT_SHARE = 0.3
_MAX_CHAR_DENSITY = 0.0025
"""Characters a square point; a page of text has six times as many."""
_DRAWING_SHARE = (0.015, 0.75)


@dataclass(slots=True)
class PageObjects:
    """Hold the boxes of a page's objects by what they are."""

    images: list[tuple[Box, Any]] = field(default_factory=list)
    """With PDFium's object, which must not outlive its page."""
    backgrounds: list[tuple[Box, Any]] = field(default_factory=list)
    """Images as large as the page."""
    strokes: list[Box] = field(default_factory=list)
    num_objects: int = 0
    num_drawn: int = 0
    """Of them, those that are seen and are no text."""


@dataclass(frozen=True, slots=True)
class Region:
    """Hold where a figure is and the images in it; a drawing has none."""

    box: Box
    images: tuple[tuple[Box, Any], ...] = ()


def read_objects(page: Any, area: Box) -> PageObjects:
    """Gather the objects of a page whose visible area is given; looks into forms."""
    objects = PageObjects()
    _gather(page, None, [], area, objects)
    return objects


def _gather(page: Any, form: Any, matrices: list[Any], area: Box, objects: PageObjects) -> None:
    import pypdfium2.raw as pdfium

    for item in page.get_objects(max_depth=1, form=form):
        objects.num_objects += 1
        if objects.num_objects > _MAX_OBJECTS:
            return
        if item.type == pdfium.FPDF_PAGEOBJ_TEXT:
            continue
        if item.type == pdfium.FPDF_PAGEOBJ_FORM:
            if len(matrices) < _MAX_DEPTH:
                _gather(page, item, [item.get_matrix(), *matrices], area, objects)
            continue
        box = _visible(_bounds(item, matrices), area)
        if box is not None:
            objects.num_drawn += 1
            _sort_in(item, box, item.type == pdfium.FPDF_PAGEOBJ_IMAGE, area, objects)


def _bounds(item: Any, matrices: list[Any]) -> Box:
    box: Box = item.get_bounds()
    for matrix in matrices:
        box = matrix.on_rect(*box)
    return box


def _visible(box: Box, area: Box) -> Box | None:
    left, bottom = max(box[0], area[0]), max(box[1], area[1])
    right, top = min(box[2], area[2]), min(box[3], area[3])
    return (left, bottom, right, top) if right > left and top > bottom else None


def _sort_in(item: Any, box: Box, is_image: bool, area: Box, objects: PageObjects) -> None:
    is_whole = size_of(box) > _WHOLE_PAGE * size_of(area)
    if is_image:
        (objects.backgrounds if is_whole else objects.images).append((box, item))
    elif not is_whole:
        objects.strokes.append(box)


def figure_regions(objects: PageObjects, lines: Sequence[Line], area: Box) -> list[Region]:
    """Return the figures of a page from top to bottom."""
    regions = _join_tiles(objects.images[:_MAX_IMAGES])
    for drawing in _drawings(objects.strokes, area):
        regions = _add_drawing(regions, drawing, lines, area)
    large = [
        region
        for region in regions
        if min(region.box[2] - region.box[0], region.box[3] - region.box[1]) >= _MIN_POINTS
    ]
    return sorted(large, key=lambda region: (-region.box[3], region.box[0]))


def _join_tiles(images: Sequence[tuple[Box, Any]]) -> list[Region]:
    regions: list[Region] = []
    for box, item in images:
        joined = Region(box, ((box, item),))
        for region in list(regions):
            if _is_seam(region.box, joined.box):
                regions.remove(region)
                joined = Region(union(region.box, joined.box), region.images + joined.images)
        regions.append(joined)
    return regions


def _is_seam(a: Box, b: Box) -> bool:
    """Return whether two boxes are tiles of one picture, or lie on one another."""
    if overlap(a, b) > 0.5 * min(size_of(a), size_of(b)):
        return True
    aligned_x = abs(a[0] - b[0]) < _SEAM and abs(a[2] - b[2]) < _SEAM
    aligned_y = abs(a[1] - b[1]) < _SEAM and abs(a[3] - b[3]) < _SEAM
    gap_y = max(a[1], b[1]) - min(a[3], b[3])
    gap_x = max(a[0], b[0]) - min(a[2], b[2])
    return (aligned_x and gap_y < _SEAM) or (aligned_y and gap_x < _SEAM)


def _drawings(strokes: Sequence[Box], area: Box) -> Iterator[Box]:
    """Yield the boxes of strokes that touch each other on a coarse grid, if there are enough."""
    cells = _Cells(area)
    for box in strokes:
        cells.add(box)
    for group in cells.groups():
        substance = [b for b in group if min(b[2] - b[0], b[3] - b[1]) > _THIN]
        if len(substance) >= _MIN_STROKES:
            box = group[0]
            for other in group[1:]:
                box = union(box, other)
            yield box


class _Cells:
    """Group boxes that share or neighbour a cell of a grid over the page."""

    def __init__(self, area: Box) -> None:
        self._left, self._bottom = area[0], area[1]
        self._cell = max(area[2] - area[0], area[3] - area[1], 1.0) / _GRID
        self._owner: dict[tuple[int, int], int] = {}
        self._boxes: list[Box] = []
        self._parent: list[int] = []
        self._num_claimed = 0

    def add(self, box: Box) -> None:
        """Place a box; a page-wide rule or frame would join what has nothing in common."""
        columns = self._span(box[0] - self._left, box[2] - self._left)
        rows = self._span(box[1] - self._bottom, box[3] - self._bottom)
        if max(len(columns), len(rows)) > 0.7 * _GRID or self._num_claimed > _MAX_CELLS:
            return
        self._num_claimed += len(columns) * len(rows)
        index = len(self._boxes)
        self._boxes.append(box)
        self._parent.append(index)
        # Inner cells count too: a dot inside a filled circle belongs to it.
        for column in columns:
            for row in rows:
                self._claim(column, row, index)

    def groups(self) -> list[list[Box]]:
        """Return the boxes by group."""
        found: dict[int, list[Box]] = {}
        for index, box in enumerate(self._boxes):
            found.setdefault(self._root(index), []).append(box)
        return list(found.values())

    def _span(self, start: float, stop: float) -> range:
        return range(int(start // self._cell), int(stop // self._cell) + 1)

    def _claim(self, column: int, row: int, index: int) -> None:
        for near in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)):
            owner = self._owner.get((column + near[0], row + near[1]))
            if owner is not None:
                self._parent[self._root(owner)] = self._root(index)
        self._owner[column, row] = index

    def _root(self, index: int) -> int:
        while self._parent[index] != index:
            self._parent[index] = self._parent[self._parent[index]]
            index = self._parent[index]
        return index


def _add_drawing(
    regions: list[Region], drawing: Box, lines: Sequence[Line], area: Box
) -> list[Region]:
    """Join a drawing with the images on it; leave it out where it is a table or a frame."""
    inside = [r for r in regions if overlap(r.box, drawing) > 0.3 * size_of(r.box)]
    if not inside:
        share = size_of(drawing) / size_of(area)
        if not _DRAWING_SHARE[0] < share < _DRAWING_SHARE[1]:
            return regions
        if _is_table(drawing, lines):
            return regions
    box, images = drawing, tuple(image for region in inside for image in region.images)
    for region in inside:
        box = union(box, region.box)
    return [region for region in regions if region not in inside] + [Region(box, images)]


def _is_table(drawing: Box, lines: Sequence[Line]) -> bool:
    """Return whether strokes frame running text, of which there is little in a drawing."""
    covered, num_chars = 0.0, 0.0
    for line in lines:
        box = line_box(line)
        shared = overlap(box, drawing)
        covered += shared
        num_chars += len(line.text) * shared / max(size_of(box), 0.01)
    size = size_of(drawing)
    return covered > _MAX_TEXT_SHARE * size and num_chars > _MAX_CHAR_DENSITY * size


def union(a: Box, b: Box) -> Box:
    """Return the box around two boxes."""
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def overlap(a: Box, b: Box) -> float:
    """Return the size of what two boxes share."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return max(0.0, width) * max(0.0, height)


def size_of(box: Box) -> float:
    """Return the area of a box."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])
