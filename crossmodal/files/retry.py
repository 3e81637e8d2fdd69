"""Retry a call after transient failures; raise every other failure at once."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from crossmodal.errors import is_transient

T = TypeVar("T")

NUM_RETRIES = 3
BASE_DELAY_S = 0.2


def with_retries(call: Callable[[], T]) -> T:
    """Return what ``call`` returns, repeating it after 0.2, 0.4 and 0.8 s (each ±50 %)."""
    for attempt in range(NUM_RETRIES):
        try:
            return call()
        except Exception as error:
            if not is_transient(error):
                raise
            time.sleep(BASE_DELAY_S * 2**attempt * random.uniform(0.5, 1.5))
    return call()
