"""Parse Word documents (DOCX) into blocks and figures; runs in the child.

Reads the XML itself: a walk in document order finds text boxes and figures where they stand, which
an object model for writing documents does not. Deleted text, field codes, comments, headers and
footers are left out; footnotes come at the end. There are no pages before a layout.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from crossmodal.chunking.documents.gallery import Gallery, looks_like_caption
from crossmodal.chunking.documents.items import Item, Wishes
from crossmodal.chunking.documents.office.drawing import DrawnImage, attribute, images_in, local
from crossmodal.chunking.documents.office.safe_zip import SafeZip
from crossmodal.chunking.documents.office.xml import main_part, read_xml, relations
from crossmodal.chunking.documents.outline import Outline
from crossmodal.errors import Refused

_HEADING = re.compile(r"(?:heading|überschrift|titre|título|titolo|kop)\s*(\d)", re.IGNORECASE)
_CAPTION_STYLE = re.compile(r"caption|beschriftung|légende", re.IGNORECASE)
_SKIPPED = {
    *("del", "delText", "moveFrom", "instrText", "rt"),
    *("Fallback", "pPr", "rPr", "sdtPr", "tblPr"),
}


def parse(data: bytes, wishes: Wishes) -> Iterator[Item]:
    """Yield blocks, figures and flaws in document order."""
    archive = SafeZip(data)
    part = main_part(archive, "word/document.xml")
    body = read_xml(archive, part)
    walk = _Walk(archive, part, wishes, has_pages=_holds(body, "lastRenderedPageBreak"))
    yield from walk.container(body)
    yield from walk.outline.end()
    for kind, target in walk.relations.values():
        if kind in ("footnotes", "endnotes"):
            yield from walk.notes(target)


class _Walk:
    """Hold where a walk through the body stands."""

    def __init__(self, archive: SafeZip, part: str, wishes: Wishes, *, has_pages: bool) -> None:
        self.archive = archive
        self.outline = Outline()
        self.relations = relations(archive, part)
        self._gallery = Gallery(wishes)
        self._styles = _styles(archive, self.relations)
        self._num_paragraphs = 0
        self._num_figures = 0
        self._page = 1 if has_pages else None
        self._waiting: list[tuple[DrawnImage, str, dict[str, Any]]] = []

    def container(self, element: Any) -> Iterator[Item]:
        """Walk everything that may hold paragraphs: the body, a control, a text box, a cell."""
        for child in element:
            name = local(child)
            if name == "p":
                yield from self._paragraph(child)
            elif name == "tbl":
                yield from self._table(child)
            elif name not in _SKIPPED:
                yield from self.container(child)
        if local(element) in ("body", "document"):
            yield from self._show_waiting("")

    def notes(self, part: str) -> Iterator[Item]:
        """Yield the texts of foot- or endnotes."""
        try:
            root = read_xml(self.archive, part)
        except Refused as refused:
            if refused.reason != "damaged":
                raise
            yield from self._gallery.flaw("notes", refused.reason, refused.detail)
            return
        for note in root:
            if attribute(note, "type") is None:
                yield from self.outline.text(_text(note), facts={"note": True})

    def _paragraph(self, paragraph: Any) -> Iterator[Item]:
        text = _text(paragraph).strip()
        style = self._styles.get(_style_id(paragraph), ("", None))
        if text:
            is_caption = bool(_CAPTION_STYLE.search(style[0])) or looks_like_caption(text)
            yield from self._show_waiting(text if is_caption else "", after=text)
        position = self._next_position(paragraph)
        level = _level(paragraph, style)
        if level is not None:
            yield from self.outline.heading(level, text, position)
        else:
            yield from self.outline.text(_bullet(paragraph) + text if text else "", position)
        for box in _outermost(paragraph, "txbxContent"):
            yield from self.container(box)
        self._waiting += [(image, text, position) for image in images_in(paragraph)]

    def _table(self, table: Any) -> Iterator[Item]:
        yield from self._show_waiting("")
        for row in table.iterfind("{*}tr"):
            cells = [cell for cell in row.iterfind("{*}tc") if _text(cell).strip()]
            if len(cells) == 1:  # a frame around paragraphs rather than a row
                yield from self.container(cells[0])
                continue
            text = " | ".join(" ".join(_text(cell).split()) for cell in cells)
            position = self._next_position(row)
            yield from self.outline.text(text, position)
            self._waiting += [(image, text, position) for image in images_in(row)]
        yield from self._show_waiting("")

    def _next_position(self, element: Any) -> dict[str, Any]:
        """Count a paragraph or row, and the pages of the last layout, where Word noted them."""
        self._num_paragraphs += 1
        if self._page is None:
            return {"paragraph": self._num_paragraphs}
        self._page += sum(1 for _ in element.iter("{*}lastRenderedPageBreak"))
        return {"page": self._page, "paragraph": self._num_paragraphs}

    def _show_waiting(self, caption: str, after: str = "") -> Iterator[Item]:
        """Yield the figures before this text, which may be their caption."""
        waiting, self._waiting = self._waiting, []
        for image, beside, position in waiting:
            self._num_figures += 1
            _, target = self.relations.get(image.relation, ("", ""))
            if not target:
                continue
            part = f"figure {self._num_figures}"
            try:
                data = self.archive.read(target)
            except Refused as refused:
                if refused.reason != "damaged":
                    raise
                yield from self._gallery.flaw(part, refused.reason, refused.detail)
                continue
            yield from self._gallery.admit(
                data,
                part,
                caption=caption or image.description,
                nearby="\n".join(
                    near for near in (beside or self.outline.last_text, after) if near != caption
                ).strip(),
                before=self.outline.before,
                section=self.outline.section,
                position=position,
            )


def _text(element: Any) -> str:
    """Return the text below an element without that of text boxes and deletions."""
    parts: list[str] = []
    _gather(element, parts)
    return "".join(parts)


def _gather(element: Any, parts: list[str]) -> None:
    for child in element:
        name = local(child)
        if name == "t":
            parts.append(child.text or "")
        elif name in ("tab", "br", "cr"):
            parts.append("\t" if name == "tab" else "\n")
        elif name == "noBreakHyphen":
            parts.append("-")
        elif name not in _SKIPPED and name != "txbxContent":
            _gather(child, parts)
            if name in ("p", "tc"):
                parts.append("\n")


def _outermost(element: Any, wanted: str) -> Iterator[Any]:
    """Yield the elements of a name that lie in no other of it, without fallbacks."""
    for child in element:
        name = local(child)
        if name == wanted:
            yield child
        elif name != "Fallback":
            yield from _outermost(child, wanted)


def _holds(element: Any, name: str) -> bool:
    """Return whether an element of this name lies below."""
    return next(element.iter("{*}" + name), None) is not None


def _style_id(paragraph: Any) -> str:
    style = paragraph.find("{*}pPr/{*}pStyle")
    return (attribute(style, "val") or "") if style is not None else ""


def _level(paragraph: Any, style: tuple[str, int | None]) -> int | None:
    own = paragraph.find("{*}pPr/{*}outlineLvl")
    if own is not None:
        return _outline_level(own)
    return style[1]


def _outline_level(element: Any) -> int | None:
    value = attribute(element, "val") or ""
    return int(value) + 1 if value.isdigit() and int(value) < 9 else None


def _bullet(paragraph: Any) -> str:
    return "- " if paragraph.find("{*}pPr/{*}numPr") is not None else ""


def _styles(
    archive: SafeZip, related: dict[str, tuple[str, str]]
) -> dict[str, tuple[str, int | None]]:
    """Return the name and the heading level, or None, of each paragraph style."""
    for kind, target in related.values():
        if kind == "styles":
            try:
                root = read_xml(archive, target)
            except Refused as refused:
                if refused.reason != "damaged":
                    raise
                return {}  # headings are lost, the text is not
            return _inherited({attribute(e, "styleId") or "": e for e in root.iterfind("{*}style")})
    return {}


def _inherited(elements: dict[str, Any]) -> dict[str, tuple[str, int | None]]:
    def level(style: str, seen: frozenset[str]) -> int | None:
        element = elements.get(style)
        if element is None or style in seen or len(seen) > 20:
            return None
        named = _named_level(_name(element))
        if named is not None:
            return named
        own = element.find("{*}pPr/{*}outlineLvl")
        if own is not None:
            return _outline_level(own)
        base = element.find("{*}basedOn")
        return level(attribute(base, "val") or "", seen | {style}) if base is not None else None

    return {style: (_name(elements[style]), level(style, frozenset())) for style in elements}


def _name(element: Any) -> str:
    name = element.find("{*}name")
    return (attribute(name, "val") or "") if name is not None else ""


def _named_level(name: str) -> int | None:
    if name.strip().lower() == "title":
        return 0
    match = _HEADING.match(name)
    return int(match[1]) if match else None
