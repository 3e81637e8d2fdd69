"""Write a PDF of a few lines a page by hand, for demos: one font, no compression."""

from __future__ import annotations

from collections.abc import Sequence

_HEADING, _BODY = 20, 12


def write_pdf(pages: Sequence[Sequence[str]]) -> bytes:
    """Return a PDF; the first line of each page is its heading.

    Args:
        pages: lines of Latin-1 characters, a list a page.
    """
    numbers = range(4, 4 + 2 * len(pages), 2)
    kids = " ".join(f"{number} 0 R" for number in numbers)
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for number, lines in zip(numbers, pages, strict=True):
        content = "\n".join(_line(place, text) for place, text in enumerate(lines))
        objects += [
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << "
            f"/F 3 0 R >> >> /Contents {number + 1} 0 R >>",
            f"<< /Length {len(content.encode('latin-1'))} >>\nstream\n{content}\nendstream",
        ]
    return _file([each.encode("latin-1") for each in objects])


def _line(place: int, text: str) -> str:
    shown = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    size, top = (_HEADING, 780) if place == 0 else (_BODY, 760 - 18 * place)
    return f"BT /F {size} Tf 60 {top} Td ({shown}) Tj ET"


def _file(objects: Sequence[bytes]) -> bytes:
    data, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    head = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
    tail = f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(data)}\n%%EOF\n"
    return data + (head + tail).encode()
