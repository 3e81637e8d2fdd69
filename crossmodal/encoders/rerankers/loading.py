"""Find out what kind of reranker a folder holds, and keep the few that this process has loaded.

Owns the table of families by architecture. Refuses what is none, by name and before its weights are
read, and every folder that would need code of its own to run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from cachetools import LRUCache

from crossmodal.encoders.rerankers import (
    cross_attention,
    cross_text,
    judge,
    late_neomme,
    late_pages,
    late_texts,
    matching,
)
from crossmodal.encoders.rerankers.reranker import Reranker
from crossmodal.errors import ModelUnsupported
from crossmodal.models import files as model_files
from crossmodal.models.folder import ModelFiles, small_files_key, stat_key_of
from crossmodal.models.options import ModelSpec

Loader = Callable[[ModelFiles, str], Reranker]

MAX_RERANKERS = 2
_CLASSIFIES = "ForSequenceClassification"
_FAMILIES: dict[tuple[str, ...], Loader] = {
    tuple(matching.MATCHERS): matching.load,
    late_pages.PAGES: late_pages.load,
    (late_neomme.NEOMME,): late_neomme.load,
    late_texts.ENCODERS: late_texts.load,
    judge.JUDGES: judge.load,
    (cross_attention.ARCHITECTURE,): cross_attention.load,
}
_ADDED: dict[str, Loader] = {}
_LOCK = threading.Lock()
_LOADED: LRUCache[tuple[Any, ...], Reranker] = LRUCache(MAX_RERANKERS)


def register(architecture: str, loader: Loader) -> None:
    """Let folders of an architecture be loaded by a function of another room.

    It takes the folder's files and a device (auto, cuda, mps or cpu).
    """
    _ADDED[architecture] = loader


def load_reranker(spec: str, device: str = "auto") -> Reranker:
    """Return the reranker of a directory or hub id; loaded once a process while its files stay.

    Raises:
        ModelUnavailable: there is none, or its files are damaged.
        ModelUnsupported: it is no reranker of a known family, or brings code of its own.
    """
    files = model_files.resolve(ModelSpec(spec))
    loader = _loader(files)
    with _LOCK:
        key = (device, stat_key_of(files.hashed), small_files_key(files.directory))
        if key not in _LOADED:
            _LOADED[key] = loader(files, device)
        return _LOADED[key]


def _loader(files: ModelFiles) -> Loader:
    name = model_files.architecture(files)
    found = _ADDED.get(name) or _by_family(name)
    if found is None:
        known = ", ".join(name for names in _FAMILIES for name in names)
        raise ModelUnsupported(
            f"{files.name} is no reranker: its architecture is {name or 'not named'}; known are "
            f"those ending in {_CLASSIFIES} with one logit, {known}"
        )
    return found


def _by_family(name: str) -> Loader | None:
    if name.endswith(_CLASSIFIES):
        return cross_text.load
    return next((load for names, load in _FAMILIES.items() if name in names), None)
