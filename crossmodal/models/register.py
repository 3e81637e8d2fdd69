"""Enter a line-up's model versions into the ledger once an encoder has been loaded and checked."""

from __future__ import annotations

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions, runs
from crossmodal.models import files
from crossmodal.records import Lineup


def register_lineup(collection: Collection, run_id: str, lineup: Lineup) -> Lineup:
    """Return the line-up with its ids; the run and the weights' hashes are noted beside it."""
    keys = {v: files.stat_key(files.files_of(v)) for v in lineup.versions}
    with collection.write() as con:
        registered = model_versions.register_lineup(con, lineup)
        for version, stat_key in keys.items():
            model_versions.remember_weights_hash(con, stat_key, version.weights_hash)
        runs.set_run_model(con, run_id, registered.id or 0)
    return registered
