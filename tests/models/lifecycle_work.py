"""Promote, go back and collect until killed: ``python -m tests.models.lifecycle_work FILE``."""

from __future__ import annotations

import itertools
import sys

from crossmodal.errors import ModelMismatch
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions
from crossmodal.models.promotion import promote_in, rollback_in
from crossmodal.models.retire import collect
from tests.ledger import build
from tests.ledger.build import commit, planned

NUM = 20


def main(path: str) -> None:
    collection = Collection(path)
    sys.stdout.write("at work\n")
    sys.stdout.flush()
    for number in itertools.count():
        name = f"made {number}"
        with collection.write() as con:
            version = model_versions.register(con, build.version(name))
            commit(con, version, *(planned(f"/p/{i}", str(i)) for i in range(NUM)))
        promote_in(collection, {"image": name}, allow_partial=True)
        if number % 2:
            try:
                rollback_in(collection)
            except ModelMismatch:
                continue
        collect(collection, keep=1, dry_run=False)


if __name__ == "__main__":
    main(sys.argv[1])
