"""Lay out the forms that the Prefect UI draws from the parameters of a flow."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, WithJsonSchema
from pydantic.fields import FieldInfo

from crossmodal.chunking.rules import REMEMBERED
from crossmodal.errors import FilterError, PathError
from crossmodal.files.secrets import PATTERN, refuse_secrets
from crossmodal.ledger.read.filters import condition_pattern, parse_where
from crossmodal.modalities import MODEL_FIELDS

_FIRST = (
    "set_path",
    "text",
    "image",
    "paths",
    "policies",
    "collection",
    *MODEL_FIELDS.values(),
)
_LAST = (
    "dry_run",
    "min_coverage",
    "exclude",
    "ignore_files",
    "include_hidden",
    "archives",
    "device",
    "revision",
    "dtype",
    "backend",
    *REMEMBERED,
    "rerank",
    "rerank_deadline_ms",
    "rerank_pool",
    "runner",
    "stage_timeout_s",
    "batch_size",
    "shard_size",
    "max_megapixels",
    "max_file_mb",
)


ADVANCED = frozenset(_LAST) - {"dry_run", "min_coverage", "exclude"}
"""What few people set. Prefect's forms fold nothing, and a field within an object would not be kept
where a caller names another, so these stand last and their titles say so."""


@dataclass(frozen=True)
class OnCommandLine:
    """Mark how a field is offered on the command line where its name alone does not say it."""

    names: tuple[str, ...] = ()
    """Such as ``--collection`` and ``-c``; empty for the field's own name."""
    env: str | None = None
    argument: bool = False
    """A word without a name, such as the paths."""
    panel: str | None = None
    """The heading that its help stands under."""
    is_remembered: bool = False
    """Whether a collection keeps the value: left open, it is not the default but the last one."""


CUTTING = OnCommandLine(panel="How sources are cut", is_remembered=True)
RUNNING = OnCommandLine(panel="How the run goes about it")


def remembered(form: type[BaseModel]) -> frozenset[str]:
    """Return the fields of a form that a collection keeps the values of."""
    fields = form.model_fields.items()
    return frozenset(name for name, field in fields if is_remembered(field))


def is_remembered(field: FieldInfo) -> bool:
    """Say whether a collection keeps the value of a field."""
    return any(isinstance(mark, OnCommandLine) and mark.is_remembered for mark in field.metadata)


def _empty_for_none(value: Any) -> Any:
    return "" if value is None else value


Text = Annotated[str, BeforeValidator(_empty_for_none)]
"""Text that may stay empty: one field in the form, where ``str | None`` draws two buttons."""


def _storable(place: str) -> str:
    try:
        return refuse_secrets(place)
    except PathError as error:
        raise ValueError(str(error)) from None


_STORABLE = WithJsonSchema({"type": "string", "pattern": PATTERN})
Place = Annotated[str, AfterValidator(_storable), _STORABLE]
"""A path or URL without passwords and signatures; a Prefect server refuses them before a run."""
OptionalPlace = Annotated[Text, AfterValidator(_storable), _STORABLE]
"""The same, or nothing."""


_DAY = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$"

Day = Annotated[date, WithJsonSchema({"type": "string", "format": "date", "pattern": _DAY})]
"""A date; a Prefect server checks the pattern but no format."""


def _understood(condition: str) -> str:
    try:
        parse_where([condition])
    except FilterError as error:
        raise ValueError(str(error)) from error
    return condition


Condition = Annotated[
    str,
    AfterValidator(_understood),
    WithJsonSchema({"type": "string", "pattern": condition_pattern()}),
]
"""A filter such as ``date>=2024-01-31``."""


def in_order(names: Iterable[str]) -> list[str]:
    """Return the names of fields in the order that a person fills them in."""
    known = list(names)
    middle = [name for name in known if name not in _FIRST + _LAST]
    return [name for name in (*_FIRST, *middle, *_LAST) if name in known]
