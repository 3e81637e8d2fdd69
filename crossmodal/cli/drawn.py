"""Draw a command's options from the form of its flow, so that each option is written once.

Owns the step from a form's fields to a signature that Typer reads; knows no option. The form is
imported, and the options drawn, only for the command that is asked for: the list of commands needs
neither.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import typer

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

Command = Callable[..., None]


@dataclass(frozen=True)
class Source:
    """Say which fields of which form become options."""

    form: str
    """``module:name``, imported when the options are drawn."""
    only: tuple[str, ...]
    """Fields to take; empty for all."""
    without: tuple[str, ...]

    def load(self) -> type[BaseModel]:
        """Import the form."""
        module, name = self.form.split(":")
        form: type[BaseModel] = getattr(import_module(module), name)
        return form

    def fields(self, form: type[BaseModel]) -> list[str]:
        """Return the names of the fields that become options, in the order of the form."""
        from flows.params.forms import in_order

        wanted = set(self.only or form.model_fields) - set(self.without)
        return [name for name in in_order(form.model_fields) if name in wanted]


def form_command(
    form: str, *, only: Sequence[str] = (), without: Sequence[str] = ()
) -> Callable[[Command], Command]:
    """Return a decorator for a command whose first parameter is what a person gave of a form.

    That is a dict by field name, with the values as they were typed, for ``checked`` to fill the
    form with; fields that were left open are not in it. The command's other parameters are options
    that no form has.

    Args:
        form: ``module:name`` of the form.
        only: the fields to offer; all where there are none.
        without: fields not to offer.
    """

    def decorate(command: Command) -> Command:
        command.source = Source(form, tuple(only), tuple(without))  # type: ignore[attr-defined]
        return command

    return decorate


def drawn(command: Command, arguments: Sequence[str]) -> Command:
    """Return a command with its options; one that is not asked for needs only name and help."""
    source: Source | None = getattr(command, "source", None)
    if source is None:
        return command
    return _with_options(command, source) if command.__name__ in arguments else _listed(command)


def option_name(form: type[BaseModel], field: str) -> str:
    """Return what a person types for a field: ``--chunk-tokens``, or ``PATHS``."""
    marked = _marked(form.model_fields[field]) if field in form.model_fields else None
    if marked and marked.argument:
        return field.upper()
    named = [name for name in (marked.names if marked else ()) if name.startswith("--")]
    return named[0] if named else "--" + field.replace("_", "-")


def _listed(command: Command) -> Command:
    @functools.wraps(command)
    def listed() -> None:
        raise AssertionError(f"{command.__name__} has no options yet")

    listed.__signature__ = inspect.Signature()  # type: ignore[attr-defined]
    return listed


def _with_options(command: Command, source: Source) -> Command:
    form = source.load()
    names = source.fields(form)

    @functools.wraps(command)
    def with_options(**given: Any) -> None:
        filled = {name: given.pop(name) for name in names}
        command({name: value for name, value in filled.items() if value is not None}, **given)

    hints = get_type_hints(command, include_extras=True)
    _, *own = inspect.signature(command).parameters.values()
    parameters = [_parameter(name, form.model_fields[name]) for name in names]
    parameters += [_keyword(each.name, each.default, hints[each.name]) for each in own]
    _sign(with_options, parameters)
    return with_options


def _sign(command: Command, parameters: Iterable[inspect.Parameter]) -> None:
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    command.__signature__ = inspect.Signature(list(parameters))  # type: ignore[attr-defined]


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    marked, (kind, metavar) = _marked(field), _kind(field.annotation)
    is_argument = bool(marked and marked.argument)
    offer = typer.Argument if is_argument else typer.Option
    shown: dict[str, Any] = {
        "help": _help(field),
        "metavar": name.upper() if is_argument else metavar,
    }
    if marked:
        shown |= {"envvar": marked.env, "rich_help_panel": marked.panel}
    option = offer(*(marked.names if marked else ()), **shown)
    if field.is_required():
        return _keyword(name, inspect.Parameter.empty, Annotated[kind, option])
    default = field.get_default(call_default_factory=True)
    if marked and marked.is_remembered:
        option.show_default = f"the collection's, of a new one {default}"
        return _keyword(name, None, Annotated[kind | None, option])
    if kind is bool:
        return _keyword(name, default, Annotated[bool, option])
    shown_default = None if default in ("", [], None) else str(default)
    return _keyword(name, shown_default, Annotated[kind | None, option])


def _keyword(name: str, default: Any, annotation: Any) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=annotation)


def _kind(annotation: Any) -> tuple[Any, str | None]:
    """Return what Typer reads into, and how help calls it.

    Numbers and choices stay words: the form reads them, and says what is wrong in its own.
    """
    origin, parts = get_origin(annotation), get_args(annotation)
    if annotation is bool:
        return bool, None
    if origin is list:
        return list[str], None
    if origin is Literal:
        return str, "|".join(parts)
    if origin in (Union, UnionType):
        return _kind(next(part for part in parts if part is not type(None)))
    return str, {int: "int", float: "float"}.get(annotation, "text")


def _help(field: FieldInfo) -> str:
    """Return the field's description with its bounds, which the form looks after.

    Help is markup, in which the name of an extra would be a tag: ``crossmodal[ocr]``.
    """
    low = [rule.ge for rule in field.metadata if hasattr(rule, "ge")]
    high = [rule.le for rule in field.metadata if hasattr(rule, "le")]
    bounds = f" ({low[0]} to {high[0]})" if low and high else ""
    return f"{field.description}{bounds}".replace("[", r"\[")


def _marked(field: FieldInfo) -> Any:
    from flows.params.forms import OnCommandLine

    return next((rule for rule in field.metadata if isinstance(rule, OnCommandLine)), None)
