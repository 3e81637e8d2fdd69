"""Hold Pillow's process-wide switches while any thread decodes.

Owns the warning filters and ``Image.MAX_IMAGE_PIXELS`` for that time; refuses to judge a file. The
first decode in sets them and the last one out restores them, because Python's warning filters
belong to the whole process and not to a thread.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from PIL import Image


class PillowGuard:
    """Keep Pillow quiet and its pixel limit at ours; entered by many threads at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._num_inside = 0
        self._restore = ExitStack()

    @contextmanager
    def limit(self, max_pixels: int) -> Iterator[None]:
        """Decode inside: more than ``max_pixels`` raises, warnings are dropped."""
        self._enter(max_pixels)
        try:
            yield
        finally:
            self._leave()

    def _enter(self, max_pixels: int) -> None:
        with self._lock:
            if self._num_inside == 0:
                self._install(max_pixels)
            self._num_inside += 1

    def _install(self, max_pixels: int) -> None:
        self._restore.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        self._restore.callback(setattr, Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
        Image.MAX_IMAGE_PIXELS = (max_pixels + 1) // 2  # Pillow raises at twice this number

    def _leave(self) -> None:
        with self._lock:
            self._num_inside -= 1
            if self._num_inside == 0:
                self._restore.close()
