"""Undo a run and undo that, until killed: ``python -m tests.ledger.undo_work FILE RUN``."""

from __future__ import annotations

import sys

from crossmodal.ledger.collection import Collection
from crossmodal.runs.undo_run import undo_run


def main(path: str, run_id: str) -> None:
    collection = Collection(path)
    sys.stdout.write("at work\n")
    sys.stdout.flush()
    while True:
        run_id = undo_run(collection, run_id).run_id


if __name__ == "__main__":
    main(*sys.argv[1:])
