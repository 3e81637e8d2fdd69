"""Search images, documents, audio, video and tables by meaning; DuckDB keeps the vectors.

``crossmodal.open("photos.duckdb")`` is where to begin; see docs/python.md. Owns the public names
and nothing else. Invariant: to import this costs next to nothing, whatever a name needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crossmodal.errors import CrossmodalError as CrossmodalError
    from crossmodal.face.hits import Hit as Hit
    from crossmodal.face.hits import Hits as Hits
    from crossmodal.face.opened import OpenCollection as OpenCollection
    from crossmodal.face.opened import open_collection as open
    from crossmodal.face.opened_many import OpenCollections as OpenCollections
    from crossmodal.face.vectors import StoredVectors as StoredVectors
    from crossmodal.face.vectors import read_vectors as read_vectors

__all__ = [
    "CrossmodalError",
    "Hit",
    "Hits",
    "OpenCollection",
    "OpenCollections",
    "StoredVectors",
    "open",
    "read_vectors",
]

_HOMES = {
    "CrossmodalError": "crossmodal.errors:CrossmodalError",
    "Hit": "crossmodal.face.hits:Hit",
    "Hits": "crossmodal.face.hits:Hits",
    "OpenCollection": "crossmodal.face.opened:OpenCollection",
    "OpenCollections": "crossmodal.face.opened_many:OpenCollections",
    "StoredVectors": "crossmodal.face.vectors:StoredVectors",
    "open": "crossmodal.face.opened:open_collection",
    "read_vectors": "crossmodal.face.vectors:read_vectors",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module, _, attribute = _HOMES[name].partition(":")
    return globals().setdefault(name, getattr(import_module(module), attribute))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
