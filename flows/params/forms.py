"""Lay out the forms that the Prefect UI draws from the parameters of a flow."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

_FIRST = ("text", "image", "paths", "collection", "model", "text_model", "audio_model")
_LAST = (
    "dry_run",
    "min_coverage",
    "include_hidden",
    "device",
    "revision",
    "dtype",
    "text_chunker",
    "chunk_tokens",
    "overlap_tokens",
    "page_images",
    "figures",
    "caption_weight",
    "frames",
    "frame_interval_s",
    "audio_window_s",
    "rows_per_chunk",
    "runner",
    "batch_size",
    "shard_size",
    "max_megapixels",
    "max_file_mb",
)


def _empty_for_none(value: Any) -> Any:
    return "" if value is None else value


Text = Annotated[str, BeforeValidator(_empty_for_none)]
"""Text that may stay empty: one field in the form, where ``str | None`` draws two buttons."""


def number_fields(schema: dict[str, Any]) -> None:
    """Number a schema's fields in the order that a person fills them in.

    The UI sorts by ``position``: without it, Prefect on Postgres shows them in no order at all.
    """
    fields = schema.get("properties", {})
    middle = [name for name in fields if name not in _FIRST + _LAST]
    ordered = [name for name in (*_FIRST, *middle, *_LAST) if name in fields]
    for position, name in enumerate(ordered):
        fields[name]["position"] = position
