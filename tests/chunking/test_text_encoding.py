"""Bytes become the characters that their writer meant, or are refused as no text."""

from __future__ import annotations

import codecs
import random
import time
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmodal.chunking.text.encoding import decode_text
from crossmodal.errors import Refused

GERMAN = "Die Größe der Straßen müßte für Österreich jährlich geprüft werden. "
RUSSIAN = "Привет, как дела? Это русский текст для проверки. "
JAPANESE = "これは日本語の文章です。文字コードを確認します。"
POLISH = "Zażółć gęślą jaźń. Wszyscy ludzie rodzą się wolni i równi. "
FRENCH = "L'été dernier, où êtes-vous allés ? Ça été très agréable. "


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (GERMAN, "utf-8"),
        (JAPANESE, "utf-8"),
        (GERMAN, "cp1252"),
        (FRENCH, "latin-1"),
        (POLISH, "cp1250"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
        (GERMAN, "utf-16-le"),
        (GERMAN, "utf-16-be"),
        (RUSSIAN, "utf-16-le"),
        (JAPANESE, "utf-16-be"),
        (RUSSIAN, "utf-16"),
        (JAPANESE, "utf-32"),
        (GERMAN, "utf-8-sig"),
    ],
)
def test_text_is_read_in_the_encoding_it_was_written_in(text, encoding):
    assert decode_text((text * 8).encode(encoding)).text == text * 8


def test_big_endian_mark_is_understood():
    assert decode_text(codecs.BOM_UTF16_BE + "Größe".encode("utf-16-be")).text == "Größe"


def test_declared_encoding_is_believed_over_a_guess():
    page = '<meta charset="iso-8859-7"><p>' + "Όλοι οι άνθρωποι"  # noqa: RUF001
    decoded = decode_text(page.encode("iso-8859-7"))
    assert decoded.text == page
    assert decoded.encoding == "iso8859-7"


def test_declared_encoding_that_does_not_exist_is_no_error():
    assert "Größe" in decode_text(b'<meta charset="klingon-9"> ' + "Größe".encode("cp1252")).text


def test_few_bytes_beyond_ascii_are_taken_for_the_most_common_encoding():
    decoded = decode_text("können".encode("cp1252"))
    assert (decoded.text, decoded.encoding) == ("können", "cp1252")


def test_one_bad_byte_does_not_spoil_a_utf8_text():
    data = (RUSSIAN * 9).encode() + b"\xd0"
    decoded = decode_text(data)
    assert decoded.encoding == "utf-8"
    assert decoded.text == RUSSIAN * 9 + "\ufffd"


def test_every_newline_becomes_a_line_feed():
    assert decode_text("a\r\nb\rc\u2028d\fe".encode()).text == "a\nb\nc\nd\ne"


def test_control_characters_and_terminal_colours_are_dropped():
    noisy = "\x1b[31merror\x1b[0m:\x07 disk\x00 full\ufeff " + "and more text " * 20
    assert decode_text(noisy.encode()).text.startswith("error: disk full and")


@pytest.mark.parametrize("data", [b"", b" \n\t ", b"\xef\xbb\xbf", b"\xff\xfe \0\n\0", b"\x0c"])
def test_nothing_is_no_content(data):
    with pytest.raises(Refused) as refusal:
        decode_text(data)
    assert refusal.value.reason == "no_content"


@pytest.mark.parametrize(
    "data",
    [
        random.Random(1).randbytes(5000),
        zlib.compress(random.Random(2).randbytes(9000)),
        b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 40,
        b"header" + b"\0" * 900,
        b"\0" * 100,
        b"caf\xe9 \0 " * 20,
    ],
    ids=["random", "compressed", "program", "sparse", "zeros", "zeros_in_legacy"],
)
def test_binary_data_is_refused(data):
    with pytest.raises(Refused) as refusal:
        decode_text(data)
    assert refusal.value.reason == "binary"


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=400))
def test_any_bytes_are_clean_text_or_a_refusal(data):
    try:
        text = decode_text(data).text
    except Refused as refusal:
        text, reason = "refused", refusal.reason
    else:
        reason = None
    assert reason in {None, "binary", "no_content"}
    assert text.strip()
    assert not {c for c in text if c < " " and c not in "\n\t"}
    text.encode()


def test_ten_megabytes_in_an_old_encoding_take_seconds():
    data = (GERMAN * 150_000).encode("cp1252")
    began = time.process_time()
    assert decode_text(data).encoding == "cp1252"
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    ("name", "encoding", "words"),
    [
        ("factbook-utf-16.xml", "utf-16-le", "United States"),
        ("fake-text-utf-16-be.txt", "utf-16-be", "Doylestown"),
        ("fake-text-utf-16.txt", "utf-16-le", "Hamburgers"),
        ("umlauts-non-utf8.md", "cp1252", "äöüß"),
        ("fake-html-cp1252.html", "cp1252", "L'été était très chaud"),
    ],
)
def test_odd_files_of_others_are_read(shared_data: Path, name, encoding, words):
    decoded = decode_text((shared_data / "nasty" / "text" / name).read_bytes())
    assert decoded.encoding == encoding
    assert words in decoded.text
