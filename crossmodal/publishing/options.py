"""Hold what a caller may choose about a publication; costs nothing to import."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishOptions:
    """Say what a publication may send, beyond what searches use now."""

    to: str
    """The address of the store."""
    models: tuple[str, ...] = ()
    """Further model versions by name, number, label or alias, such as one to be promoted."""
    prune: bool = False
    """Drop the tables of versions that are neither live nor named."""
    full: bool = False
    """Send every row, whatever the store is believed to hold."""
