"""Turn what the json module does not know into what it does, alike wherever JSON is written."""

from __future__ import annotations

from datetime import datetime
from typing import Any


def plain(value: Any) -> Any:
    """Return a JSON-ready form of a value: dates in ISO 8601, dataclasses as objects."""
    from dataclasses import asdict, is_dataclass

    if isinstance(value, datetime):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value)
