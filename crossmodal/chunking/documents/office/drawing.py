"""Find what Word and PowerPoint share: drawings, and names without their name spaces.

Names are compared without name spaces, because strict and transitional files differ in nothing
else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_GENERIC = ("picture", "image", "grafik", "bild", "screenshot", "a close up of", "imagem")


@dataclass(frozen=True, slots=True)
class DrawnImage:
    """Hold a reference to a picture inside a drawing."""

    relation: str
    description: str


def local(element: Any) -> str:
    """Return the name of an element without its name space."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def attribute(element: Any, name: str) -> str | None:
    """Return the attribute of this name in whatever name space, or None."""
    for key, value in element.attrib.items():
        if key.rpartition("}")[2] == name:
            return str(value)
    return None


def images_in(element: Any, description: str = "") -> Iterator[DrawnImage]:
    """Yield the pictures below an element, with the words that their author gave them."""
    for child in element:
        name = local(child)
        if name in ("Fallback", "txbxContent"):  # said twice; walked by itself
            continue
        if name in ("blip", "imagedata"):
            relation = attribute(child, "embed") or attribute(child, "id")
            if relation:
                yield DrawnImage(relation, described(child, "title") or description)
        else:
            yield from images_in(child, _describing(child) or description)


def described(element: Any, name: str = "descr") -> str:
    """Return the alternative text of a drawing, unless it only says that it is one."""
    text = " ".join((attribute(element, name) or "").split())
    is_generic = text.lower().startswith(_GENERIC) and len(text) < 24
    return "" if is_generic or "\\" in text else text


def _describing(element: Any) -> str:
    """Return the description that an element's properties (docPr, cNvPr) hold."""
    for child in element:
        if local(child) in ("docPr", "cNvPr"):
            return described(child)
        if local(child) in ("nvPicPr", "nvGrpSpPr"):
            return _describing(child)
    return ""
