"""Name what Prefect keeps the history of, in letters that it takes."""

from __future__ import annotations

import re
from pathlib import PurePath


def collection_key(what: str, collection: str | PurePath) -> str:
    """Return the key of what a flow shows about a collection: small letters, digits and dashes."""
    return re.sub("[^a-z0-9]+", "-", f"{what}-{PurePath(collection).stem}".lower())
