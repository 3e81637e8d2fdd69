"""List the modalities: what a chunk can be to an encoder.

Owns the names, as they stand in the ledger, in filters and in a model version's ``encoders``;
refuses to know how any of them is cut, prepared or computed. What a room does for each modality
stands in a table of that room with these names as keys, and a test holds that no table lacks a
row. So a new modality is a name here, a row in those tables, and modules of its own.
"""

from __future__ import annotations

from typing import Literal, get_args

Modality = Literal["image", "text", "audio"]
MODALITIES: tuple[Modality, ...] = get_args(Modality)
"""In the order in which people are shown them."""

MODEL_FIELDS: dict[str, str] = {"image": "model", "text": "text_model", "audio": "audio_model"}
"""By modality the field of a form, and so the option, that names the model that serves it.

In capitals and behind ``CROSSMODAL_`` it is the variable of the environment, too.
"""

FILMED = ("frame", "clip")
"""The kinds of chunks that show a stretch of a film, between ``start_s`` and ``end_s``."""

OTHERS: tuple[str, ...] = tuple(name for name in MODALITIES if name not in ("image", "text"))
"""Served by models of their own alone: a joint model has pictures, and texts where none else has.
"""
