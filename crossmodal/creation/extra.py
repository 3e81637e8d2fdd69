"""Say in a sentence which extra to install where a library of it is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from crossmodal.errors import ExtraMissing


@contextmanager
def needed(extra: str) -> Iterator[None]:
    """Guard imports of an extra's libraries.

    Raises:
        ExtraMissing: one of them is not installed.
    """
    try:
        yield
    except ImportError as error:
        raise ExtraMissing(
            f"this needs {error.name or 'a library'}, which is not installed: "
            f"pip install 'crossmodal[{extra}]'"
        ) from error
