"""Decode text files that do not say their encoding: subtitles and tables come from everywhere.

Owns the order of guesses: byte order mark, UTF-8, UTF-16 without a mark, then the statistics of
charset-normalizer, which are trusted for scripts other than Latin only; Western text of few words
looks to them like any code page.
"""

from __future__ import annotations

import codecs
import unicodedata

from tasks.chunking.refusal import Refused

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE_BYTES = 65_536
_MANY_NULS = 0.2
_MAX_CONTROL_SHARE = 0.02
_LINE_CONTROLS = "\t\n\r\f\v\x1a\x1b\x85"


def decode_text(data: bytes) -> tuple[str, str]:
    """Return the text without NUL characters and the encoding that it was read in.

    Raises:
        Refused: The bytes are empty, or hold so many control characters that they are no text.
    """
    if not data:
        raise Refused("empty", "the file has no bytes")
    encoding = _encoding_of(data)
    text = data.decode(encoding, "replace").replace("\0", "")
    _check_is_text(text, data)
    return text, encoding


def _encoding_of(data: bytes) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return encoding
    sample = data[:_SAMPLE_BYTES]
    if sample.count(0) > _MANY_NULS * len(sample):
        return "utf-16-le" if sample[1::2].count(0) >= sample[::2].count(0) else "utf-16-be"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        # One stray byte in a file that is UTF-8 otherwise is damage, not another encoding.
        if _is_mostly_utf8(data, error.start):
            return "utf-8"
        return _guess(data)
    return "utf-8"


def _is_mostly_utf8(data: bytes, damaged_at: int) -> bool:
    sample = data[max(0, damaged_at - _SAMPLE_BYTES) : damaged_at + _SAMPLE_BYTES]
    text = sample.decode("utf-8", "replace")
    num_whole = sum(ord(char) > 127 and char != "\ufffd" for char in text)
    return num_whole > 10 * text.count("\ufffd")


def _guess(data: bytes) -> str:
    from charset_normalizer import from_bytes

    lines = data[: 16 * _SAMPLE_BYTES].splitlines(keepends=True)
    telling = b"".join(line for line in lines if not line.isascii())[:_SAMPLE_BYTES]
    best = from_bytes(telling).best()
    if best is not None and _is_not_latin(str(best)):
        return best.encoding
    return "cp1252"


def _is_not_latin(text: str) -> bool:
    letters = [char for char in text if ord(char) > 127 and char.isalpha()]
    num_latin = sum(unicodedata.name(char, "").startswith("LATIN") for char in letters)
    return num_latin * 2 < len(letters)


def _check_is_text(text: str, data: bytes) -> None:
    sample = text[:_SAMPLE_BYTES]
    num_controls = sum(
        unicodedata.category(char) == "Cc" and char not in _LINE_CONTROLS for char in sample
    )
    if not sample or num_controls > _MAX_CONTROL_SHARE * len(sample):
        raise Refused("unidentified_format", f"this is no text: it begins with {data[:8]!r}")
