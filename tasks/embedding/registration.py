"""Enter a line-up's model versions into the ledger once an encoder has been loaded and checked."""

from __future__ import annotations

from tasks.embedding import model_files
from tasks.records import Lineup
from tasks.storage import models, runs
from tasks.storage.collection import Collection


def register_lineup(collection: Collection, run_id: str, lineup: Lineup) -> Lineup:
    """Return the line-up with its ids; the run and the weights' hashes are noted beside it."""
    keys = {v: model_files.stat_key(model_files.files_of(v)) for v in lineup.versions}
    with collection.write() as con:
        registered = models.register_lineup(con, lineup)
        for version, stat_key in keys.items():
            models.remember_weights_hash(con, stat_key, version.weights_hash)
        runs.set_run_model(con, run_id, registered.id or 0)
    return registered
