from __future__ import annotations

from pathlib import Path

from crossmodal.ledger.collection import Collection
from crossmodal.models import files
from crossmodal.models.options import ModelSpec
from crossmodal.models.register import registered_lineup
from crossmodal.records import Lineup
from crossmodal.runs.options import RunOptions
from crossmodal.runs.run import Run, recorded


def test_lineup_is_entered_once_a_run(collection: Collection, tiny_clip: Path) -> None:
    found = files.resolve(ModelSpec(str(tiny_clip)))
    lineup = Lineup.of(files.describe(found, "float32", files.weights_hash(found)))
    run = Run(collection, "index", RunOptions(quiet=True))
    with recorded(run, {}):
        first = registered_lineup(run, lineup)
        written_ns = collection.path.stat().st_mtime_ns
        assert registered_lineup(run, lineup) is first
        assert collection.path.stat().st_mtime_ns == written_ns
    assert lineup.id is None
    assert first.id is not None
