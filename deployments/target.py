"""Say what to deploy: one collection, the paths it follows and the names it goes by.

Invariant: everything in a target is absolute, so a run never depends on the directory that somebody
deployed from.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from crossmodal.models.options import BUILT_IN

PoolType = Literal["process", "docker", "kubernetes"]
_URL = re.compile(r"^[a-z][a-z0-9+]*://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Target:
    """Hold what the deployments of one collection have in common."""

    name: str
    """The deployments' name, after the flow's: ``index/photos``."""
    collection: str
    paths: list[str]
    model: str | None
    pool: str
    text_model: str | None = None
    audio_model: str | None = None
    pool_type: PoolType = "process"
    """What a worker starts for a run, where the pool is not there yet."""
    pool_limit: int | None = None
    """Runs of the pool at one time; None: as it is."""
    schedule: str | None = None
    """Cron, UTC, of the index in place of every night at three."""
    publish_to: str | None = None
    """The store to keep in step, every night after the index."""


def make_target(
    paths: list[str],
    collection: str,
    model: str | None,
    name: str | None,
    pool: str,
    *,
    text_model: str | None = None,
    audio_model: str | None = None,
    schedule: str | None = None,
    publish_to: str | None = None,
) -> Target:
    """Return a target with absolute paths, named after the collection unless ``name`` is given."""
    return Target(
        name=name or Path(collection).stem,
        collection=absolute(collection),
        paths=[absolute(path) for path in paths],
        model=_place_of(model),
        pool=pool,
        text_model=_place_of(text_model),
        audio_model=_place_of(audio_model),
        schedule=schedule,
        publish_to=publish_to,
    )


def _place_of(model: str | None) -> str | None:
    """Return a model's directory made absolute; a hub id and a built-in model stay as they are."""
    is_folder = model and model not in BUILT_IN and Path(model).expanduser().is_dir()
    return absolute(model) if model and is_folder else model


def absolute(path: str) -> str:
    """Return a local path made absolute, symbolic links kept; a URL stays as it is."""
    return path if _URL.match(path) else str(Path(path).expanduser().absolute())
