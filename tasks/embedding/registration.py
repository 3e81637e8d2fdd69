"""Enter a model version into the ledger once its encoder has been loaded and checked."""

from __future__ import annotations

from tasks.embedding import model_files
from tasks.embedding.options import ModelSpec
from tasks.records import ModelVersion
from tasks.storage import models, runs
from tasks.storage.collection import Collection


def register_version(collection: Collection, run_id: str, version: ModelVersion) -> ModelVersion:
    """Return the version with its id; the run and the hash of its weights are noted beside it."""
    files = model_files.resolve(ModelSpec(version.name, version.revision))
    with collection.write() as con:
        registered = models.register(con, version)
        models.remember_weights_hash(con, model_files.stat_key(files), version.weights_hash)
        runs.set_run_model(con, run_id, registered.id or 0)
    return registered
