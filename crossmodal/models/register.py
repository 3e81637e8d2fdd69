"""Enter a line-up's model versions into the ledger once an encoder has been loaded and checked.

Once a run: all later stages take the line-up with its ids from the run.
"""

from __future__ import annotations

from crossmodal.ledger.write import model_versions, runs
from crossmodal.models import files
from crossmodal.records import Lineup
from crossmodal.runs.run import Run


def registered_lineup(run: Run, lineup: Lineup) -> Lineup:
    """Return the line-up with its ids; the first call of a run enters it.

    The run's row and the hashes of the weights are written with it.
    """
    if run.lineup is None:
        run.lineup = _register(run, lineup)
    return run.lineup


def _register(run: Run, lineup: Lineup) -> Lineup:
    keys = {v: files.stat_key(files.files_of(v)) for v in lineup.versions}
    with run.collection.write() as con:
        registered = model_versions.register_lineup(con, lineup)
        for version, stat_key in keys.items():
            model_versions.remember_weights_hash(con, stat_key, version.weights_hash)
        runs.set_run_model(con, run.id, registered.id or 0)
    return registered
