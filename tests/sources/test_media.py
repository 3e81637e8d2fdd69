"""The media type: content first, the name only where content is silent."""

from __future__ import annotations

import csv
import io
import time
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from crossmodal.sources.planning.media_type import HEAD_BYTES, sniff
from tests.chunking.document_makers import epub, zipped


def encoded(image_format: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, image_format)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("image_format", "media_type"),
    [
        ("PNG", "image/png"),
        ("JPEG", "image/jpeg"),
        ("GIF", "image/gif"),
        ("WEBP", "image/webp"),
        ("TIFF", "image/tiff"),
        ("BMP", "image/bmp"),
        ("AVIF", "image/avif"),
        ("PPM", "image/x-portable-anymap"),
        ("EPS", "image/x-eps"),
    ],
)
def test_picture_is_known_by_its_content_whatever_its_name(
    image_format: str, media_type: str
) -> None:
    assert sniff(encoded(image_format), "notes.txt") == media_type
    assert sniff(encoded(image_format), "no_extension") == media_type


def test_formats_of_plug_ins_are_known() -> None:
    assert sniff(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "x") == "image/heic"
    assert sniff(b"\xff\x0a\xfa\x1f" + bytes(20), "x") == "image/jxl"


@pytest.mark.parametrize(
    ("head", "name", "media_type"),
    [
        (b"%PDF-1.7\n%\xe2\xe3", "photo.jpg", "application/pdf"),
        (b'<?xml version="1.0"?>\n<!-- drawn --><svg xmlns="x">', "a.xml", "image/svg+xml"),
        (b"<!DOCTYPE html><html><body><svg width='1'>", "a.html", "text/html"),
        (b"a,b\n1,2\n", "table.csv", "text/csv"),
        ("größe".encode(), "notes", "text/plain"),
        (b"\xff\xfea\0b\0", "utf16.txt", "text/plain"),
        (b"\x93\x01\x00\xf7\x00", "thing", "application/octet-stream"),
    ],
)
def test_other_content_is_named_too(head: bytes, name: str, media_type: str) -> None:
    assert sniff(head, name) == media_type


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"Python is a language", "readme.txt"),
        (b"P2P networks", "essay.txt"),
        (b"/* a header */\n#define SIZE 3\n", "size.h"),
        (b"\n\0\0\1 ten and two", "data.bin"),
    ],
)
def test_text_and_data_that_begin_like_a_picture_are_no_picture(head: bytes, name: str) -> None:
    assert not sniff(head, name).startswith("image/")


@pytest.mark.parametrize("head", [b"", b"hello, this is text\n", b"\x93\x01\x00\xf7\x00"])
def test_what_is_called_a_picture_and_says_nothing_else_counts_as_one(head: bytes) -> None:
    assert sniff(head, "holiday.JPG") == "image/jpeg"
    assert sniff(head, "render.tga") == "image/x-tga"
    assert sniff(head, "phone.heic") == "image/heic"


def test_zip_of_an_office_is_told_apart_by_its_name() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
    assert sniff(buffer.getvalue(), "slides.pptx").endswith("presentationml.presentation")
    assert sniff(buffer.getvalue(), "sheet.xlsx").endswith("spreadsheetml.sheet")


def test_a_book_whose_first_member_is_compressed_is_known_by_its_name() -> None:
    book = epub("<p>One page, which says so: page, page, page.</p>")
    assert sniff(book, "a.epub") == "application/epub+zip"
    office = zipped({"[Content_Types].xml": "<Types/>", "word/document.xml": "<document/>"})
    assert sniff(office, "a.epub") != "application/epub+zip"


@pytest.mark.parametrize("length", [1, 2, 3, 5, 15])
def test_heads_shorter_than_a_signature_are_no_error(length: int) -> None:
    assert sniff(encoded("PNG")[:length], "x.bin")


@pytest.mark.parametrize("unit", [b"/*\n", b"#define x_", b"<!--", b"<a ", b"\n"])
def test_hostile_text_is_judged_at_once(unit: bytes) -> None:
    head = (unit * HEAD_BYTES)[:HEAD_BYTES]
    started = time.thread_time()
    sniff(head, "x.txt")
    assert time.thread_time() - started < 1


def test_every_picture_that_pillow_opens_is_called_an_image(shared_data: Path) -> None:
    with (shared_data / "nasty" / "manifest.csv").open() as file:
        pictures = [row for row in csv.DictReader(file) if row["kind"] == "image" and row["format"]]
    missed = []
    for row in pictures:
        with (shared_data / row["path"]).open("rb") as file:
            media_type = sniff(file.read(HEAD_BYTES), row["path"].rpartition("/")[2])
        if not media_type.startswith("image/"):
            missed.append((row["path"], media_type))
    assert len(pictures) > 200
    assert missed == []


MP4_HEAD = b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41" + b"\0" * 64


@pytest.mark.parametrize(
    ("head", "name", "media_type"),
    [
        (MP4_HEAD, "song.m4a", "audio/mp4"),
        (MP4_HEAD, "film.mp4", "video/mp4"),
        (b"1\n00:00:01,000 --> 00:00:02,000\nhello\n", "talk.srt", "application/x-subrip"),
        (b"WEBVTT\n\n00:01.000 --> 00:02.000\nhello\n", "talk.vtt", "text/vtt"),
        (b'{"a": 1}\n{"a": 2}\n', "rows.jsonl", "application/jsonl"),
        (b"PAR1" + bytes(40), "rows.parquet", "application/vnd.apache.parquet"),
        (b"export const a: number = 1;\n", "code.ts", "text/plain"),
    ],
)
def test_media_other_than_images_are_told_apart(head: bytes, name: str, media_type: str) -> None:
    assert sniff(head, name) == media_type
