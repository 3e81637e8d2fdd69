"""Map the exceptions of image decoders to the reasons of quarantine rows.

Owns the reasons; refuses to know about quarantine. A new kind of failure in Pillow or a plug-in
falls to ``decoder_error``, never through.
"""

from __future__ import annotations

import io
from typing import NoReturn

from PIL import Image, UnidentifiedImageError

from crossmodal.errors import Refused
from crossmodal.pictures.jxl_header import jxl_size

_TRUNCATED_WORDS = (
    "truncated",
    "unexpected end",
    "premature",
    "broken data stream",
    "not enough image data",
    "buffer is not large enough",
)
_UNSUPPORTED_WORDS = ("unsupported", "not implemented", "not supported", "unknown pixel mode")
_NONSENSE_WORDS = ("palette size",)
"""What a decoder calls unsupported although no writer means it."""


def refuse(error: BaseException, data: bytes) -> NoReturn:
    """Raise the refusal that an error of the decoder stands for."""
    raise _refusal(error, data) from error


def _refusal(error: BaseException, data: bytes) -> Refused:
    message = " ".join(str(error).split())[:300] or type(error).__name__
    if isinstance(error, UnidentifiedImageError):
        return _unidentified(data)
    if isinstance(error, Image.DecompressionBombError):
        return Refused("too_many_pixels", message)
    if isinstance(error, MemoryError):
        return Refused("out_of_memory", f"decoding needs more memory than there is ({message})")
    if isinstance(error, EOFError) or any(word in message.lower() for word in _TRUNCATED_WORDS):
        return Refused("truncated", message)
    if _is_unsupported(message):
        return _unsupported(message)
    if jxl_size(data) is not None:  # whose decoder speaks of its own insides
        return Refused("decoder_error", "begins like JPEG XL but is damaged or cut off")
    return Refused("decoder_error", f"{type(error).__name__}: {message}")


def _is_unsupported(message: str) -> bool:
    said = message.lower()
    return any(word in said for word in _UNSUPPORTED_WORDS) and not any(
        word in said for word in _NONSENSE_WORDS
    )


def _unsupported(message: str) -> Refused:
    return Refused("unsupported_format", f"the decoder here does not read this kind ({message})")


def _unidentified(data: bytes) -> Refused:
    claimed = _claimed_format(data[:16])
    if claimed is None:
        return Refused("unidentified_format", f"no image format begins with {data[:8]!r}")
    message = _complaint(claimed, data)
    if _is_unsupported(message):
        return _unsupported(message)
    return Refused("decoder_error", f"begins like {claimed} but is damaged or cut off")


def _complaint(name: str, data: bytes) -> str:
    """Return what the reader of a format says of a file that it does not take for its own."""
    factory, _ = Image.OPEN[name]
    try:
        factory(io.BytesIO(data), "").close()
    except Exception as error:  # whatever it is, Pillow has dropped it once already
        return " ".join(str(error).split())
    return ""


def _claimed_format(prefix: bytes) -> str | None:
    """Return the format whose signature the first bytes carry, or None."""
    for name, (_, accept) in Image.OPEN.items():
        if accept is not None and accept(prefix):
            return name
    return None
