"""Map the exceptions of image decoders to the reasons of quarantine rows.

Owns the reasons; refuses to know about quarantine. A new kind of failure in Pillow or a plug-in
falls to ``decoder_error``, never through.
"""

from __future__ import annotations

from typing import NoReturn

from PIL import Image, UnidentifiedImageError

from crossmodal.errors import Refused

_TRUNCATED_WORDS = (
    "truncated",
    "unexpected end",
    "premature",
    "broken data stream",
    "not enough image data",
    "buffer is not large enough",
)


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
    return Refused("decoder_error", f"{type(error).__name__}: {message}")


def _unidentified(data: bytes) -> Refused:
    claimed = _claimed_format(data[:16])
    if claimed is None:
        return Refused("unidentified_format", f"no image format begins with {data[:8]!r}")
    return Refused("decoder_error", f"begins like {claimed} but is damaged or cut off")


def _claimed_format(prefix: bytes) -> str | None:
    """Return the format whose signature the first bytes carry, or None."""
    for name, (_, accept) in Image.OPEN.items():
        if accept is not None and accept(prefix):
            return name
    return None
