"""Read hostile archives: bombs, lies, locks and odd names."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest

from crossmodal.chunking.documents.office.safe_zip import SafeZip, resolve
from crossmodal.errors import Refused
from tests.chunking.document_makers import docx, paragraph, reason, zipped

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def read(data: bytes, name: str) -> str:
    """Return the content of a member, or why it is refused."""
    try:
        return SafeZip(data).read(name).decode()
    except Refused as refused:
        return refused.reason


def test_members_are_found_whatever_their_case_or_escapes() -> None:
    archive = SafeZip(zipped({"Word/A b.xml": "x"}))
    assert archive.find("word/a b.xml") == "Word/A b.xml"
    assert archive.find("Word/A%20b.xml") == "Word/A b.xml"
    assert archive.find("Word/other.xml") is None


def test_bomb_is_refused_by_its_declared_size() -> None:
    data = zipped({"word/document.xml": b"\0" * 50_000_000})
    assert len(data) < 100_000
    assert read(data, "word/document.xml") == "zip_bomb"
    assert reason(data, "docx") == "zip_bomb"


def test_bomb_that_declares_a_small_size_gives_no_more_than_that() -> None:
    data = zipped({"word/document.xml": b"\0" * 50_000_000})
    lie = data.replace(struct.pack("<I", 50_000_000), struct.pack("<I", 1000))
    assert read(lie, "word/document.xml") == "damaged"


def test_many_members_are_refused_once_too_much_came_out() -> None:
    archive = SafeZip(zipped({f"{i}.xml": bytes(9_000_000) for i in range(3)}))
    archive._num_read_bytes = 999_000_000
    with pytest.raises(Refused, match="zip_bomb"):
        archive.read("0.xml")


def test_too_many_members_are_refused() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number in range(50_001):
            archive.writestr(zipfile.ZipInfo(str(number)), b"")
    assert reason(stream.getvalue(), "docx") == "zip_bomb"


def test_locked_archives_and_documents_are_refused() -> None:
    data = bytearray(zipped({"word/document.xml": "<x/>"}))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert read(bytes(data), "word/document.xml") == "encrypted"
    locked = OLE + bytes(600) + "EncryptedPackage".encode("utf-16-le")
    assert reason(locked, "docx") == "encrypted"
    assert reason(OLE + bytes(600), "docx") == "unsupported_format"


def test_damage_anywhere_is_a_refusal_or_leaves_the_text() -> None:
    whole = docx(*[paragraph(f"words of paragraph {i}") for i in range(50)])
    for at in range(0, len(whole), 37):
        flipped = bytearray(whole)
        flipped[at] ^= 0xFF
        assert read(bytes(flipped), "word/document.xml").startswith(
            ("<w:document", "damaged", "encrypted", "zip_bomb")
        )


@pytest.mark.parametrize(
    ("base", "target", "expected"),
    [
        ("word/document.xml", "media/a.png", "word/media/a.png"),
        ("ppt/slides/s1.xml", "../media/a.png", "ppt/media/a.png"),
        ("ppt/slides/s1.xml", "/ppt/media/a.png", "ppt/media/a.png"),
        ("a/b.xhtml", "c.xhtml#part?x", "a/c.xhtml"),
        ("b.xhtml", "../../../etc/passwd", "../../../etc/passwd"),
    ],
)
def test_targets_are_resolved_inside_the_archive(base: str, target: str, expected: str) -> None:
    assert resolve(base, target) == expected
