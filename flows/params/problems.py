"""Say in plain words what is wrong with the values of a form.

Owns the words; knows no form. A field is called as the caller calls it: by its name in a run, as an
option on the command line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

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


def _problem(detail: ErrorDetails, called: Callable[[str], str]) -> str:
    context: dict[str, Any] = detail.get("ctx", {})
    if detail["type"] == "value_error":
        words = str(context["error"])
    else:
        template = _WORDS.get(detail["type"], "cannot use {value!r}")
        words = template.format(value=detail["input"], **context)
    where = [str(part) for part in detail["loc"]]
    return f"{called(where[0])}: {words}" if where else words
