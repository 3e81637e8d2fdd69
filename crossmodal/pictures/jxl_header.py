"""Read the size of a JPEG XL image from its first bytes.

Owns nothing but that: the plug-in decodes a whole file the moment it is opened, so that the size
must be known before. Follows ISO/IEC 18181-1, annex D.2 (size header), and 18181-2 (boxes).
"""

from __future__ import annotations

_CODESTREAM = b"\xff\x0a"
_CONTAINER = b"\x00\x00\x00\x0cJXL \x0d\x0a\x87\x0a"
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_SIZE_BITS = (9, 13, 18, 30)


def jxl_size(data: bytes) -> tuple[int, int] | None:
    """Return the declared (width, height), or None where the data is no JPEG XL."""
    start = 0 if data.startswith(_CODESTREAM) else _find_codestream(data)
    if start is None or data[start : start + 2] != _CODESTREAM:
        return None
    return _read_size(int.from_bytes(data[start + 2 : start + 14], "little"))


def _find_codestream(data: bytes) -> int | None:
    if not data.startswith(_CONTAINER):
        return None
    offset = 0
    while offset + 16 <= len(data):
        length, kind = (
            int.from_bytes(data[offset : offset + 4], "big"),
            data[offset + 4 : offset + 8],
        )
        body = offset + 8
        if length == 1:
            length, body = int.from_bytes(data[offset + 8 : offset + 16], "big"), offset + 16
        if kind in (b"jxlc", b"jxlp"):
            return body if kind == b"jxlc" else body + 4
        if length < 8:
            return None
        offset += length
    return None


def _read_size(bits: int) -> tuple[int, int]:
    """Decode the size header; ``bits`` holds the bytes after the signature, lowest bit first."""
    in_eights = bits & 1
    bits >>= 1
    height, bits = _read_side(bits, in_eights)
    ratio = bits & 7
    bits >>= 3
    if ratio:
        wide, tall = _RATIOS[ratio - 1]
        return height * wide // tall, height
    width, _ = _read_side(bits, in_eights)
    return width, height


def _read_side(bits: int, in_eights: int) -> tuple[int, int]:
    if in_eights:
        return 8 * ((bits & 31) + 1), bits >> 5
    num_bits = _SIZE_BITS[bits & 3]
    bits >>= 2
    return (bits & ((1 << num_bits) - 1)) + 1, bits >> num_bits
