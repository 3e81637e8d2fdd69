"""Make Word files whose figures only the text around them tells of, with questions and answers.

A part of a file is an abstract of Cranfield under a heading that says nothing ("Part 17"), cut in
three paragraphs; after the second stands a drawn curve without a word. A question of Cranfield asks
for the figures in the parts of its relevant abstracts.
"""

from __future__ import annotations

import csv
import io
import json
import random
import zipfile
from collections import defaultdict
from pathlib import Path

from PIL import Image, ImageDraw

NUM_PARTS_EACH = 3
_NS = 'xmlns:w="urn:w" xmlns:r="urn:r" xmlns:a="urn:a" xmlns:wp="urn:wp" xmlns:pic="urn:pic"'
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_SIZE = (320, 240)


def write_files(
    text_ir: Path, folder: Path, num_parts: int, seed: int = 0
) -> list[dict[str, object]]:
    """Write the files; return each question with the (file, heading) of every right part."""
    texts = _lines(text_ir / "corpus.jsonl")
    asked = _lines(text_ir / "queries.jsonl")
    relevant = defaultdict(set)
    for row in csv.DictReader((text_ir / "qrels.tsv").open(), delimiter="\t"):
        if int(row["score"]) > 0 and row["corpus-id"] in texts:
            relevant[row["query-id"]].add(row["corpus-id"])
    wanted = [t for query in sorted(relevant, key=int) for t in sorted(relevant[query], key=int)]
    chosen = list(dict.fromkeys(wanted))[:num_parts]
    draw = random.Random(seed)
    draw.shuffle(chosen)
    folder.mkdir(parents=True, exist_ok=True)
    place: dict[str, tuple[str, str]] = {}
    for number in range(0, len(chosen), NUM_PARTS_EACH):
        path = (folder / f"report-{number // NUM_PARTS_EACH:03}.docx").absolute()
        parts = {f"Part {number + n}": t for n, t in enumerate(chosen[number:][:NUM_PARTS_EACH])}
        path.write_bytes(_docx({head: texts[t] for head, t in parts.items()}, draw))
        place |= {t: (str(path), head) for head, t in parts.items()}
    # Only questions all of whose answers are there: the others would be easier than they are.
    whole = [q for q in relevant if relevant[q] <= place.keys()]
    return [
        {"query": asked[q], "right": sorted(place[t] for t in relevant[q])}
        for q in sorted(whole, key=int)
    ]


def _lines(path: Path) -> dict[str, str]:
    rows = map(json.loads, path.read_text().splitlines())
    return {str(row["_id"]): row["text"] for row in rows}


def _docx(parts: dict[str, str], draw: random.Random) -> bytes:
    body, media = [], {}
    for number, (head, text) in enumerate(parts.items()):
        words = text.split()
        third = -(-len(words) // 3)
        first, second, last = (" ".join(words[n * third :][:third]) for n in range(3))
        media[f"m{number}"] = _curve(draw)
        blip = f'<a:blip r:embed="m{number}"/>'
        shown = f"<w:r><w:drawing><wp:inline>{blip}</wp:inline></w:drawing></w:r>"
        body += [_said(head, "H1"), _said(first), _said(second), f"<w:p>{shown}</w:p>", _said(last)]
    related = [("s", "styles", "styles.xml"), *((m, "image", f"media/{m}.png") for m in media)]
    members: dict[str, str | bytes] = {
        "_rels/.rels": _relations([("d", "officeDocument", "word/document.xml")]),
        "word/document.xml": f"<w:document {_NS}><w:body>{''.join(body)}</w:body></w:document>",
        "word/_rels/document.xml.rels": _relations(related),
        "word/styles.xml": f'<w:styles {_NS}><w:style w:styleId="H1"><w:name w:val="heading 1"/>'
        "</w:style></w:styles>",
    }
    members |= {f"word/media/{name}.png": data for name, data in media.items()}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def _said(text: str, style: str = "") -> str:
    about = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    plain = text.replace("&", "&amp;").replace("<", "&lt;")
    return f"<w:p>{about}<w:r><w:t>{plain}</w:t></w:r></w:p>"


def _relations(targets: list[tuple[str, str, str]]) -> str:
    rows = "".join(
        f'<Relationship Id="{key}" Type="urn:x/{kind}" Target="{target}"/>'
        for key, kind, target in targets
    )
    return f'<Relationships xmlns="{_PACKAGE}">{rows}</Relationships>'


def _curve(draw: random.Random) -> bytes:
    """Return a curve in a frame, as PNG: no two alike."""
    picture = Image.new("RGB", _SIZE, "white")
    pen = ImageDraw.Draw(picture)
    pen.rectangle((20, 10, 310, 220), outline="black")
    for colour in draw.sample(["navy", "darkred", "darkgreen", "black"], draw.randint(1, 3)):
        height = draw.uniform(40, 190)
        points = []
        for x in range(20, 311, 10):
            height = min(215.0, max(15.0, height + draw.gauss(0, 14)))
            points.append((x, height))
        pen.line(points, fill=colour, width=2)
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()
