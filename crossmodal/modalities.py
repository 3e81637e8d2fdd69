"""List the modalities: what a chunk can be to an encoder.

Owns the table, one row a modality, and what is plainly true of each; refuses to know how any of
them is cut, prepared or computed. What a room does for each modality stands in a table of that
room with these names as keys, and a test holds that none of them lacks a row. So a new modality
is a row here, a row in those tables, and modules of its own.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Modality:
    """Describe one modality."""

    name: str
    """As it stands in the ledger, in filters and in a model version's ``encoders``."""
    is_uniform: bool
    """Whether all items have one shape as the model takes them, whatever they were cut from."""


MODALITIES = {
    modality.name: modality
    for modality in (
        Modality("image", is_uniform=True),
        Modality("text", is_uniform=False),
        Modality("audio", is_uniform=True),
    )
}
"""By name, in the order in which people are shown them."""
