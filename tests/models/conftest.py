"""Share the fixtures of the ledger and of embedding."""

from tests.embedding.conftest import encoder, load, plan
from tests.ledger.conftest import collection, con, model

__all__ = ["collection", "con", "encoder", "load", "model", "plan"]
