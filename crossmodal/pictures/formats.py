"""Register with Pillow the image formats that it does not read by itself.

Owns the list of plug-ins; refuses to decode. Afterwards ``Image.OPEN`` holds every format, and no
decode has to pay for, or race on, Pillow's own late loading. What the libraries would write to the
terminal about a damaged file is dropped: the refusal says it.
"""

from __future__ import annotations

import ctypes
import logging
import threading
from functools import cache
from pathlib import Path

_LOCK = threading.Lock()


def register() -> None:
    """Register HEIC, JPEG XL and all of Pillow's own formats, once a process; thread-safe.

    AVIF needs no plug-in: Pillow's wheels bring its decoder.
    """
    with _LOCK:
        _register_once()


@cache
def _register_once() -> None:
    import pillow_heif
    import pillow_jxl  # noqa: F401  (registers itself)
    from PIL import Image

    Image.init()
    pillow_heif.register_heif_opener()
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    _silence_libtiff(Path(Image.__file__).parents[1])


def _silence_libtiff(site_packages: Path) -> None:
    """Take away libtiff's handlers that print; where Pillow brings no libtiff, it goes on."""
    for folder in ("pillow.libs", "PIL/.dylibs"):
        for path in (site_packages / folder).glob("libtiff*"):
            library = ctypes.CDLL(str(path))
            library.TIFFSetErrorHandler(None)
            library.TIFFSetWarningHandler(None)
