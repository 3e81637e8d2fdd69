"""Make the documents that the tests cut: PDF, DOCX, PPTX, EPUB and ODT from parts."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from crossmodal.chunking.documents.cut import cut
from crossmodal.chunking.pieces import CutTools, Flaw, Piece, Source
from crossmodal.chunking.rules import ChunkRules
from crossmodal.errors import Refused

OFFICE = "application/vnd.openxmlformats-officedocument."
TYPES = {
    "pdf": "application/pdf",
    "docx": f"{OFFICE}wordprocessingml.document",
    "pptx": f"{OFFICE}presentationml.presentation",
    "epub": "application/epub+zip",
    "odt": "application/vnd.oasis.opendocument.text",
}
_NS = (
    'xmlns:w="urn:w" xmlns:r="urn:r" xmlns:a="urn:a" xmlns:p="urn:p" xmlns:wp="urn:wp" '
    'xmlns:pic="urn:pic" xmlns:v="urn:v" xmlns:mc="urn:mc"'
)
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"


class WordMeasure:
    """Count words as tokens."""

    max_tokens = 400
    fingerprint = "words"

    def count(self, text: str) -> int:
        return len(self.offsets(text))

    def offsets(self, text: str) -> list[tuple[int, int]]:
        return [match.span() for match in re.finditer(r"\S+", text)]


def pieces(
    data: bytes, suffix: str, *, min_side: int | None = 64, **rules: object
) -> list[Piece | Flaw]:
    """Cut a document; the rules are the usual ones but for those given."""
    source = Source(f"file:///made.{suffix}", TYPES[suffix], data)
    tools = CutTools(measure=WordMeasure(), min_side=min_side)
    return list(cut(source, ChunkRules(**rules), tools))  # type: ignore[arg-type]


def reason(data: bytes, suffix: str, **rules: object) -> str:
    """Return why a document is refused, or ``cut`` where it is not."""
    try:
        pieces(data, suffix, **rules)
    except Refused as refused:
        return refused.reason if refused.detail else f"{refused.reason} without a detail"
    return "cut"


def of_kind(found: Sequence[Piece | Flaw], kind: str) -> list[Piece]:
    return [piece for piece in found if isinstance(piece, Piece) and piece.kind == kind]


def words(found: Sequence[Piece | Flaw]) -> str:
    return "\n".join(piece.text for piece in of_kind(found, "passage"))


def picture(colour: str, width: int = 120, height: int = 90, image_format: str = "PNG") -> bytes:
    """Return an encoded picture of a colour with a white corner."""
    image = Image.new("RGB", (width, height), colour)
    image.paste("white", (0, 0, width // 3, height // 3))
    stream = io.BytesIO()
    image.save(stream, image_format)
    return stream.getvalue()


def zipped(members: dict[str, bytes | str]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def relations(*targets: tuple[str, str, str]) -> str:
    """Return a relations part from (id, kind, target)."""
    entries = "".join(
        f'<Relationship Id="{key}" Type="urn:x/{kind}" Target="{target}"/>'
        for key, kind, target in targets
    )
    return f'<Relationships xmlns="{_RELATIONS}">{entries}</Relationships>'


def paragraph(text: str, style: str = "", inner: str = "") -> str:
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{properties}<w:r><w:t>{text}</w:t></w:r>{inner}</w:p>"


def drawing(relation: str, description: str = "") -> str:
    return (
        f'<w:r><w:drawing><wp:inline><wp:docPr id="1" descr="{description}"/>'
        f'<a:blip r:embed="{relation}"/></wp:inline></w:drawing></w:r>'
    )


def docx(*parts: str, images: dict[str, bytes] | None = None) -> bytes:
    """Return a Word file of the paragraphs; ``images`` are its media by relation."""
    images = images or {}
    body = "".join(parts)
    related = [("s", "styles", "styles.xml")]
    related += [(key, "image", f"media/{key}.png") for key in images]
    styles = "".join(
        f'<w:style w:styleId="{key}"><w:name w:val="{name}"/>{more}</w:style>'
        for key, name, more in (
            ("H1", "heading 1", ""),
            ("H2", "heading 2", ""),
            ("Mine", "My own", '<w:basedOn w:val="H2"/>'),
            ("Caption", "caption", ""),
        )
    )
    members: dict[str, bytes | str] = {
        "_rels/.rels": relations(("d", "officeDocument", "word/document.xml")),
        "word/document.xml": f"<w:document {_NS}><w:body>{body}</w:body></w:document>",
        "word/_rels/document.xml.rels": relations(*related),
        "word/styles.xml": f"<w:styles {_NS}>{styles}</w:styles>",
    }
    members |= {f"word/media/{key}.png": data for key, data in images.items()}
    return zipped(members)


def shape(text: str, role: str = "") -> str:
    holder = f'<p:nvSpPr><p:nvPr><p:ph type="{role}"/></p:nvPr></p:nvSpPr>' if role else ""
    lines = "".join(f"<a:p><a:r><a:t>{line}</a:t></a:r></a:p>" for line in text.split("\n"))
    return f"<p:sp>{holder}<p:txBody>{lines}</p:txBody></p:sp>"


def slide_picture(relation: str, description: str = "") -> str:
    return (
        f'<p:pic><p:nvPicPr><p:cNvPr id="2" descr="{description}"/></p:nvPicPr>'
        f'<p:blipFill><a:blip r:embed="{relation}"/></p:blipFill></p:pic>'
    )


def pptx(*slides: str, images: dict[str, bytes] | None = None, notes: str = "") -> bytes:
    """Return a deck; every slide may show every image, the first one has notes."""
    images = images or {}
    listed = "".join(f'<p:sldId id="{256 + i}" r:id="s{i}"/>' for i in range(len(slides)))
    members: dict[str, bytes | str] = {
        "_rels/.rels": relations(("d", "officeDocument", "ppt/presentation.xml")),
        "ppt/presentation.xml": (
            f"<p:presentation {_NS}><p:sldIdLst>{listed}</p:sldIdLst></p:presentation>"
        ),
        "ppt/_rels/presentation.xml.rels": relations(
            *[(f"s{i}", "slide", f"slides/slide{i}.xml") for i in range(len(slides))]
        ),
    }
    for index, slide in enumerate(slides):
        related = [(key, "image", f"../media/{key}.png") for key in images]
        if notes and index == 0:
            related.append(("n", "notesSlide", "../notes.xml"))
        members[f"ppt/slides/slide{index}.xml"] = (
            f"<p:sld {_NS}><p:cSld><p:spTree>{slide}</p:spTree></p:cSld></p:sld>"
        )
        members[f"ppt/slides/_rels/slide{index}.xml.rels"] = relations(*related)
    members["ppt/notes.xml"] = f"<p:notes {_NS}>{shape(notes, 'body')}</p:notes>"
    members |= {f"ppt/media/{key}.png": data for key, data in images.items()}
    return zipped(members)


def epub(*chapters: str, extra: dict[str, bytes | str] | None = None) -> bytes:
    """Return a book of the bodies of its chapters."""
    items = "".join(
        f'<item id="c{i}" href="text/c{i}.xhtml" media-type="application/xhtml+xml"/>'
        for i in range(len(chapters))
    )
    spine = "".join(f'<itemref idref="c{i}"/>' for i in range(len(chapters)))
    members: dict[str, bytes | str] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": (
            '<container xmlns="urn:c"><rootfiles><rootfile full-path="OEBPS/book.opf"/>'
            "</rootfiles></container>"
        ),
        "OEBPS/book.opf": (
            f'<package xmlns="urn:o"><manifest>{items}</manifest><spine>{spine}</spine></package>'
        ),
    }
    for index, chapter in enumerate(chapters):
        members[f"OEBPS/text/c{index}.xhtml"] = (
            '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml">'
            f"<head><title>t</title></head><body>{chapter}</body></html>"
        )
    return zipped(members | (extra or {}))


def odt(body: str, images: dict[str, bytes] | None = None, *, encrypted: bool = False) -> bytes:
    """Return an OpenDocument text."""
    names = 'xmlns:o="urn:o" xmlns:t="urn:t" xmlns:d="urn:d" xmlns:x="urn:x" xmlns:m="urn:m"'
    lock = "<m:file-entry><m:encryption-data/></m:file-entry>" if encrypted else ""
    members: dict[str, bytes | str] = {
        "META-INF/manifest.xml": f"<m:manifest {names}>{lock}</m:manifest>",
        "content.xml": (
            f"<o:document-content {names}><o:body><o:text>{body}</o:text></o:body>"
            "</o:document-content>"
        ),
    }
    return zipped(members | {f"Pictures/{key}.png": data for key, data in (images or {}).items()})


class Pdf:
    """Write a small PDF by hand: text at any size, images and lines at any place."""

    def __init__(self) -> None:
        self._pages: list[tuple[list[str], dict[str, int], str]] = []
        self._objects: list[bytes] = [b"", b""]  # the catalogue and the page tree come last
        self._font = self._add(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
        self._bold = self._add(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold >>")
        self._outline: list[tuple[str, int]] = []
        self._fields: list[int] = []

    def page(self, extra: str = "") -> Pdf:
        """Begin a page of 600 by 800 points; ``extra`` goes into its dictionary."""
        self._pages.append(([], {}, extra))
        return self

    def text(self, x: float, y: float, text: str, size: float = 10, font: str = "F") -> Pdf:
        shown = text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
        self._pages[-1][0].append(f"BT /{font} {size} Tf {x} {y} Td ({shown}) Tj ET")
        return self

    def lines(self, x: float, y: float, texts: Sequence[str], size: float = 10) -> Pdf:
        """Set lines one below the other."""
        for index, text in enumerate(texts):
            self.text(x, y - index * size * 1.2, text, size)
        return self

    def draw(self, operators: str) -> Pdf:
        self._pages[-1][0].append(operators)
        return self

    def image(self, x: float, y: float, width: float, height: float, colour: str) -> Pdf:
        """Place a picture of 120 by 90 pixels; the same colour is the same picture."""
        number = self._add(_stream(*_pixels(colour)))
        self._pages[-1][1][f"I{number}"] = number
        return self.draw(f"q {width} 0 0 {height} {x} {y} cm /I{number} Do Q")

    def bookmark(self, title: str, page: int) -> Pdf:
        self._outline.append((title, page))
        return self

    def field(self, entries: str) -> Pdf:
        """Add a widget to the page, such as ``/FT /Tx /T (name) /V (value)``."""
        number = self._add(
            f"<< /Type /Annot /Subtype /Widget /Rect [50 600 250 620] {entries} >>".encode(
                "latin-1"
            )
        )
        self._fields.append(number)
        operators, images, extra = self._pages[-1]
        listed = [*re.findall(r"\d+ 0 R", extra), f"{number} 0 R"]
        self._pages[-1] = (operators, images, f"/Annots [{' '.join(listed)}]")
        return self

    def build(self) -> bytes:
        """Return the file."""
        pages = [self._page(*page) for page in self._pages]
        kids = " ".join(f"{number} 0 R" for number in pages)
        catalogue = "<< /Type /Catalog /Pages 2 0 R"
        if self._outline:
            catalogue += f" /Outlines {self._outlines(pages)} 0 R"
        if self._fields:
            listed = " ".join(f"{number} 0 R" for number in self._fields)
            catalogue += f" /AcroForm << /Fields [{listed}] >>"
        self._objects[0] = f"{catalogue} >>".encode()
        self._objects[1] = f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode()
        return _file(self._objects)

    def _page(self, operators: list[str], images: dict[str, int], extra: str) -> int:
        content = self._add(_stream("", "\n".join(operators).encode("latin-1")))
        named = " ".join(f"/{name} {number} 0 R" for name, number in images.items())
        fonts = f"/Font << /F {self._font} 0 R /B {self._bold} 0 R >>"
        return self._add(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] {extra} "
            f"/Resources << {fonts} /XObject << {named} >> >> /Contents {content} 0 R >>".encode()
        )

    def _outlines(self, pages: list[int]) -> int:
        first = len(self._objects) + 1
        root = first + len(self._outline)
        for index, (title, page) in enumerate(self._outline):
            following = f"/Next {first + index + 1} 0 R" if index + 1 < len(self._outline) else ""
            self._add(
                f"<< /Title ({title}) /Parent {root} 0 R /Dest [{pages[page]} 0 R /XYZ 0 790 0] "
                f"{following} >>".encode()
            )
        return self._add(f"<< /First {first} 0 R /Last {root - 1} 0 R >>".encode())

    def _add(self, body: bytes) -> int:
        self._objects.append(body)
        return len(self._objects)


def _pixels(colour: str) -> tuple[str, bytes]:
    image = Image.open(io.BytesIO(picture(colour)))
    return (
        "/Type /XObject /Subtype /Image /Width 120 /Height 90 /ColorSpace /DeviceRGB "
        "/BitsPerComponent 8 /Filter /FlateDecode",
        zlib.compress(np.asarray(image).tobytes()),
    )


def _stream(entries: str, body: bytes) -> bytes:
    return f"<< {entries} /Length {len(body)} >>\nstream\n".encode() + body + b"\nendstream"


def _file(objects: list[bytes]) -> bytes:
    data, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    start = len(data)
    head = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
    tail = f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    return data + (head + tail).encode()


def sentences(topic: str, number: int) -> Iterator[str]:
    """Yield lines that look like running text."""
    for index in range(number):
        yield f"The {topic} of line {index} is told here in words that fill the line."
