"""Say in plain words what is wrong with the values of a form.

Owns the words; knows no form. A field is called as the caller calls it: by its name in a run, as an
option on the command line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_MAX_SHOWN = 200
_FIELD = re.compile(r"\{(\w+)\}")
"""How a rule about several fields names one of them."""
_WORDS: dict[str, str] = {
    "greater_than_equal": "must be at least {ge}, not {value!r}",
    "greater_than": "must be more than {gt}, not {value!r}",
    "less_than_equal": "must be at most {le}, not {value!r}",
    "less_than": "must be less than {lt}, not {value!r}",
    "literal_error": "{value!r} is not known: use {expected}",
    "extra_forbidden": "there is no such parameter",
    "missing": "is missing",
    "int_parsing": "must be a whole number, not {value!r}",
    "int_from_float": "must be a whole number, not {value!r}",
    "int_type": "must be a whole number, not {value!r}",
    "float_parsing": "must be a number, not {value!r}",
    "float_type": "must be a number, not {value!r}",
    "bool_parsing": "must be true or false, not {value!r}",
    "bool_type": "must be true or false, not {value!r}",
    "string_type": "must be text, not {value!r}",
    "list_type": "must be a list, not {value!r}",
    "string_too_long": "must be at most {max_length} characters long",
    "too_long": "must have at most {max_length} entries",
    "json_invalid": "is no JSON",
    "model_attributes_type": "must be an object, not {value!r}",
    "model_type": "must be an object, not {value!r}",
    "dict_type": "must be an object, not {value!r}",
    "enum": "{value!r} is not known: use {expected}",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "string_pattern_mismatch": "cannot understand {value!r}",
    "date_from_datetime_inexact": "must be a date such as 2024-01-31, not {value!r}",
    "date_from_datetime_parsing": "must be a date such as 2024-01-31, not {value!r}",
    "date_parsing": "must be a date such as 2024-01-31, not {value!r}",
    "date_type": "must be a date such as 2024-01-31, not {value!r}",
}


def problems(error: ValidationError, called: Callable[[str], str] = str) -> list[str]:
    """Return a sentence for each wrong value.

    Args:
        error: what the form refused.
        called: returns what the caller calls a field.
    """
    return [_problem(detail, called) for detail in error.errors(include_url=False)]


def in_words(detail: Mapping[str, Any]) -> str:
    """Return what is wrong with one value, in our words and never in those of a library.

    Args:
        detail: one of the errors that pydantic, or FastAPI after it, lists.
    """
    context: dict[str, Any] = detail.get("ctx") or {}
    if detail["type"] == "value_error":
        return str(context["error"])
    template = _WORDS.get(detail["type"], "cannot use {value!r}")
    shown = repr(detail.get("input"))
    value = detail.get("input") if len(shown) <= _MAX_SHOWN else shown[:_MAX_SHOWN] + "…"
    return template.format(value=value, **context)


def _problem(detail: ErrorDetails, called: Callable[[str], str]) -> str:
    words = in_words(cast(Mapping[str, Any], detail))
    where = [str(part) for part in detail["loc"]]
    if where:
        return f"{called(where[0])}: {words}"
    return _FIELD.sub(lambda found: called(found[1]), words)
