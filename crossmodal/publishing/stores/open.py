"""Open the store that an address names."""

from __future__ import annotations

from importlib import import_module

from crossmodal.errors import ExtraMissing
from crossmodal.publishing.address import Address
from crossmodal.publishing.stores.store import Store

_EXTRAS = {"lance": "lance", "postgresql": "postgres", "qdrant": "qdrant"}


def open_store(address: Address) -> Store:
    """Return the store at an address.

    Raises:
        ExtraMissing: its driver is not installed.
        StoreAway: it does not answer.
        StoreError: it may not be used, or what the address says cannot be understood.
    """
    try:
        module = import_module(f"crossmodal.publishing.stores.{address.kind}")
    except ImportError as error:
        extra = _EXTRAS[address.kind]
        raise ExtraMissing(
            f"{address.text} needs a package that is not installed ({error.name}): "
            f"pip install 'crossmodal[{extra}]'"
        ) from error
    store: Store = module.open_at(address)
    return store
