"""Choose the model version that a run embeds with, without loading any weights.

Asked for nothing, a collection goes on with its live version and its model's files are not even
looked at, so that a run with nothing to do needs no model. A number format left at ``auto`` is
the one that the collection already has of these weights, whatever machine the run is on.
"""

from __future__ import annotations

from tasks.embedding import model_files
from tasks.embedding.options import DEFAULT_MODEL, ModelSpec
from tasks.records import ModelVersion
from tasks.storage import models
from tasks.storage.collection import Collection


def choose_version(collection: Collection, spec: ModelSpec | None, dtype: str) -> ModelVersion:
    """Return the model version of a spec, with its id where the collection knows it.

    Raises:
        ModelUnavailable, ModelUnsupported: the spec names no usable image-text model.
    """
    known, live = _known_versions(collection)
    if spec is None and live is not None:
        if dtype in ("auto", live.dtype):
            return live
        spec = ModelSpec(live.name, live.revision)
    files = model_files.resolve(spec or ModelSpec(DEFAULT_MODEL))
    weights = _weights_hash(collection, files)
    described = model_files.describe(files, _dtype(files, weights, known, dtype), weights)
    same = (version for version in known if version.fingerprint == described.fingerprint)
    return next(same, described)


def _known_versions(collection: Collection) -> tuple[list[ModelVersion], ModelVersion | None]:
    if not collection.exists:
        return [], None
    with collection.read() as con:
        return models.all_versions(con), models.live(con)


def _weights_hash(collection: Collection, files: model_files.ModelFiles) -> str:
    """Return the hash of the weights, from the ledger where they have not changed since."""
    if collection.exists:
        with collection.read() as con:
            cached = models.cached_weights_hash(con, model_files.stat_key(files))
        if cached:
            return cached
    return model_files.weights_hash(files)


def _dtype(
    files: model_files.ModelFiles, weights: str, known: list[ModelVersion], requested: str
) -> str:
    if requested != "auto":
        return requested
    preprocessing = model_files.preprocessing(files).fingerprint
    for version in reversed(known):
        if (version.weights_hash, version.preprocessing) == (weights, preprocessing):
            return version.dtype
    return model_files.choose_dtype("auto", "auto")
