"""Share the ledger's fixtures."""

from tests.ledger.conftest import collection, con, model

__all__ = ["collection", "con", "model"]
