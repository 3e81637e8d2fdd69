from __future__ import annotations

import threading
import warnings

import pytest
from PIL import Image

from crossmodal.pictures.pillow_guard import PillowGuard


def test_switches_are_restored_when_the_last_thread_leaves() -> None:
    guard, inside, leave = PillowGuard(), threading.Event(), threading.Event()
    filters, max_pixels = list(warnings.filters), Image.MAX_IMAGE_PIXELS

    def hold() -> None:
        with guard.limit(1000):
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait(10)
    with guard.limit(1000):
        pass
    warnings.warn("dropped, for the other thread is still inside", stacklevel=1)
    assert Image.MAX_IMAGE_PIXELS == 500
    leave.set()
    thread.join()
    assert (list(warnings.filters), Image.MAX_IMAGE_PIXELS) == (filters, max_pixels)
    with pytest.raises(UserWarning):
        warnings.warn("heard again", stacklevel=1)


def test_switches_are_restored_after_an_error() -> None:
    max_pixels = Image.MAX_IMAGE_PIXELS
    with pytest.raises(KeyError), PillowGuard().limit(10):
        raise KeyError
    assert max_pixels == Image.MAX_IMAGE_PIXELS
