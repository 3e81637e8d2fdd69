"""Read the bytes of a text as characters, whatever wrote them.

Owns encodings, newlines and control characters; refuses what is no text. Order of belief: byte
order mark, UTF-8, UTF-16 without a mark, what the file declares, what its bytes look like.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from crossmodal.errors import Refused

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins like UTF-16's, so it comes first
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(rb"(?:charset|encoding)\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{2,40})")
_HEAD_BYTES = 2048
_SAMPLE_BYTES = 32_768
# Of control characters, NULs apart: compressed data holds a tenth, terminals and old logs a little.
_MAX_CONTROL_SHARE = {True: 0.1, False: 0.02}
"""By whether the bytes are valid UTF-8."""
_MAX_NUL_SHARE = 0.3
# Other data seldom decodes at all, or to letters of every script and no punctuation.
_MIN_LETTER_SHARE = 0.9
_COMMON_MARKS = " \n\r\t.,:;?!-\"'()\u060c\u3001\u3002\u3000\uff0c"
# One character lost in ten that were understood still speaks for UTF-8.
_GOOD_PER_BAD = 10
_MIN_HIGH_BYTES = 8
_FALLBACKS = ("cp1252", "latin-1")

_ANSI = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|[@-Z\\-_])")
_NEWLINES = re.compile(r"\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ufeff\ufffe\uffff\ud800-\udfff]+")
_CONTROL_BYTES = bytes([*range(1, 8), *range(14, 27), *range(28, 32), 127])


@dataclass(frozen=True, slots=True)
class DecodedText:
    """Hold a text whose newlines are line feeds and which has no other control characters."""

    text: str
    encoding: str


def decode_text(data: bytes) -> DecodedText:
    """Return the text of some bytes.

    Raises:
        Refused: ``no_content`` where nothing but blanks is in it, ``binary`` where it is no text.
    """
    if not data.strip():
        raise Refused("no_content", "the file is empty or blank")
    text, encoding = _decode(data)
    clean = _clean(text)
    if not clean.strip():
        raise Refused("no_content", f"nothing but blanks and control characters ({encoding})")
    return DecodedText(clean, encoding)


def _decode(data: bytes) -> tuple[str, str]:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace"), encoding
    wide = _utf16_by_zeros(data)
    if wide:
        return data.decode(wide, "replace"), wide
    text = _utf8(data)
    try:
        _check_text(data, is_utf8=text is not None)
    except Refused:
        wide = _utf16_by_letters(data)
        if wide is None:
            raise
        return data.decode(wide, "replace"), wide
    return (text, "utf-8") if text is not None else _legacy(data)


def _utf16_by_zeros(data: bytes) -> str | None:
    """Return the UTF-16 whose high bytes the zeros of the first kilobytes would be."""
    head = data[: _HEAD_BYTES * 2]
    pairs = len(head) // 2
    zeros_even, zeros_odd = head[::2].count(0), head[1::2].count(0)
    for encoding, many, few in (
        ("utf-16-le", zeros_odd, zeros_even),
        ("utf-16-be", zeros_even, zeros_odd),
    ):
        if many * 2 > pairs and few * 20 < many and _plausible(head[: pairs * 2], encoding):
            return encoding
    return None


def _plausible(head: bytes, encoding: str) -> bool:
    text = head.decode(encoding, "replace")
    num_odd = len(_CONTROLS.findall(text)) + text.count("\ufffd")
    return num_odd * 20 < len(text)


def _utf16_by_letters(data: bytes) -> str | None:
    """Return the UTF-16 in which a sample is almost only letters, digits and spaces."""
    sample = data[: min(len(data), _SAMPLE_BYTES) // 2 * 2]
    best, best_share = None, _MIN_LETTER_SHARE
    for encoding in ("utf-16-le", "utf-16-be"):
        try:
            text = sample.decode(encoding)
        except UnicodeDecodeError:
            continue
        num_letters = sum(character.isalnum() for character in text)
        num_marks = sum(text.count(mark) for mark in _COMMON_MARKS)
        share = (num_letters + num_marks) / max(1, len(text))
        if num_marks and share > best_share:
            best, best_share = encoding, share
    return best


def _utf8(data: bytes) -> str | None:
    """Return the text where it is UTF-8 but for rare damage, such as a last character cut off."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
    num_bad = text.count("\ufffd")
    num_good = sum(len(run) for run in re.findall(r"[^\x00-\x7f\ufffd]+", text))
    return text if num_good >= num_bad * _GOOD_PER_BAD else None


def _check_text(data: bytes, *, is_utf8: bool) -> None:
    num_nuls = data.count(0)
    num_controls = len(data) - num_nuls - len(data.translate(None, _CONTROL_BYTES + b"\0"))
    if num_nuls > len(data) * _MAX_NUL_SHARE:
        raise Refused("binary", f"{num_nuls} of its {len(data)} bytes are zero")
    if num_controls > len(data) * _MAX_CONTROL_SHARE[is_utf8]:
        raise Refused("binary", f"{num_controls} of its {len(data)} bytes are control characters")
    if num_nuls and not is_utf8:
        raise Refused("binary", "it holds zero bytes and is no Unicode text")


def _legacy(data: bytes) -> tuple[str, str]:
    """Return the text in the encoding that is declared, looks right, or is most common."""
    for encoding in (_declared(data), _looks_like(data), *_FALLBACKS):
        if encoding is None:
            continue
        try:
            return data.decode(encoding), encoding
        except (UnicodeDecodeError, LookupError):
            continue
    raise AssertionError("latin-1 decodes any bytes")


def _declared(data: bytes) -> str | None:
    """Return the declared encoding under Python's name; the usual ISO 8859-1 means cp1252."""
    found = _DECLARED.search(data[:_HEAD_BYTES])
    if found is None:
        return None
    try:
        info = codecs.lookup(found[1].decode("ascii"))
    except LookupError:
        return None
    if not info._is_text_encoding or info.name.startswith(("utf", "idna", "punycode", "unicode")):
        return None
    return "cp1252" if info.name in ("iso8859-1", "ascii") else info.name


def _looks_like(data: bytes) -> str | None:
    """Ask charset-normalizer about a sample; too few bytes beyond ASCII say nothing."""
    from charset_normalizer import from_bytes

    first = re.search(rb"[\x80-\xff]", data)
    begin = max(0, first.start() - 512) if first else 0
    sample = data[begin : begin + _SAMPLE_BYTES]
    if len(sample) - len(sample.translate(None, bytes(range(128, 256)))) < _MIN_HIGH_BYTES:
        return None
    matches = from_bytes(sample)
    best = matches.best()
    if best is None:
        return None
    # Its ties are in the order of the alphabet; among equals the most common one is likelier.
    usual = _FALLBACKS[0]
    for match in matches:
        equal = match.chaos <= best.chaos and match.coherence >= best.coherence
        if equal and usual in match.could_be_from_charset:
            return usual
    return best.encoding


def _clean(text: str) -> str:
    return _CONTROLS.sub("", _NEWLINES.sub("\n", _ANSI.sub("", text)))
