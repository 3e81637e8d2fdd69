"""Parse untrusted XML: no entities, no network, limited depth.

Owns the parser's settings and the relations of Office packages. libxml2's own limits stay on: 256
levels, 10 MB a text.
"""

from __future__ import annotations

import posixpath
from typing import Any

from crossmodal.chunking.documents.office.safe_zip import SafeZip, resolve
from crossmodal.errors import Refused

_RELATIONS = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"


def parse_xml(data: bytes, name: str) -> Any:
    """Return the root element (lxml).

    Raises:
        Refused: ``damaged`` where it is not well-formed or nests too deeply.
    """
    from lxml import etree

    parser = etree.XMLParser(
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        message = " ".join(str(error).split())[:200]
        raise Refused("damaged", f"{name}: {message}") from error
    if root is None:
        raise Refused("damaged", f"{name} holds no XML")
    return root


def read_xml(archive: SafeZip, name: str) -> Any:
    """Return the root element of a member; raises ``Refused`` as its two steps do."""
    return parse_xml(archive.read(name), name)


def relations(archive: SafeZip, part: str) -> dict[str, tuple[str, str]]:
    """Return the kind and the target member of each relation of a part, by id.

    The kind is the last word of its type, such as ``image``; targets outside are left out. A part
    whose relations are missing or broken has none.
    """
    folder, name = posixpath.split(part)
    path = posixpath.join(folder, "_rels", name + ".rels")
    if archive.find(path) is None:
        return {}
    try:
        root = read_xml(archive, path)
    except Refused as refused:
        if refused.reason != "damaged":
            raise
        return {}
    return {
        relation.get("Id", ""): (
            relation.get("Type", "").rpartition("/")[2],
            resolve(part, relation.get("Target", "")),
        )
        for relation in root.iter(_RELATIONS)
        if relation.get("TargetMode") != "External"
    }


def main_part(archive: SafeZip, fallback: str) -> str:
    """Return the member that holds the document itself."""
    for kind, target in relations(archive, "").values():
        if kind == "officeDocument":
            return target
    return fallback
