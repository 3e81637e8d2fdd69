"""Publish as another process: ``python -m tests.publishing.work FILE ADDRESS WHERE NUM``.

Batches are of eight rows. At the batch NUM it says so and waits to be killed: WHERE ``sent`` the
store has the batch and the ledger does not know, WHERE ``noted`` both have it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import publications
from crossmodal.publishing import publisher
from tests.publishing.world import World

BATCH_ROWS = 8


def main(path: str, address: str, where: str, num: int) -> None:
    publisher.BATCH_ROWS = BATCH_ROWS
    note, seen = publications.note_sent, [0]

    def stopping(*given: Any) -> None:
        seen[0] += 1
        if where == "sent" and seen[0] == num:
            _wait()
        note(*given)

    def advance(_: int) -> None:
        if where == "noted" and seen[0] == num:
            _wait()

    publications.note_sent = stopping
    World(Collection(Path(path))).publish(address, advance=advance)


def _wait() -> None:
    sys.stdout.write("here\n")
    sys.stdout.flush()
    time.sleep(600)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
