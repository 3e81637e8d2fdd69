"""A loaded tiny encoder and planned shards for the embedding tests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow as pa
import pytest

from crossmodal.encoders.image_text import TransformersEncoder
from crossmodal.models import files as model_files
from crossmodal.models.options import ModelSpec
from crossmodal.records import PLAN_SCHEMA, Action
from tests.ledger.build import in_charge_of

Plan = Callable[..., pa.Table]
Load = Callable[..., TransformersEncoder]


@pytest.fixture(scope="session")
def load() -> Load:
    """Return a function that loads a model directory, on the processor."""

    def run(directory: Path, dtype: str = "float32") -> TransformersEncoder:
        files = model_files.resolve(ModelSpec(str(directory)))
        version = model_files.describe(files, dtype, model_files.weights_hash(files))
        return TransformersEncoder.load(files, version, "cpu")

    return run


@pytest.fixture
def encoder(tiny_clip: Path, load: Load) -> TransformersEncoder:
    """Return a freshly loaded tiny CLIP, free to be tampered with."""
    return load(tiny_clip)


@pytest.fixture(scope="session")
def plan() -> Plan:
    """Return a function that plans files, as a shard of PLAN_SCHEMA."""

    def run(paths: Iterable[Path], media_type: str = "image/png") -> pa.Table:
        rows = [_planned(path, media_type) for path in paths]
        return pa.Table.from_pylist(rows, schema=PLAN_SCHEMA)

    return run


def _planned(path: Path, media_type: str) -> dict[str, object]:
    content = path.read_bytes() if path.is_file() else b""
    return {
        "uri": str(path),
        "root": str(path.parent),
        "size_bytes": len(content),
        "mtime_ns": 0,
        "action": Action.ADDED,
        "reason": "new",
        "media_type": media_type,
        **in_charge_of(media_type),
        "content_hash": hashlib.sha256(content).hexdigest(),
        "previous_uri": None,
        "embed": True,
    }
