"""Make a flow of a function and a form: every field of the form is a parameter of the flow.

Prefect merges what a caller names over what a deployment holds, but only at the top level, so a
form must never hide in one parameter. Owns the step from a form to a flow's signature, to the
schema that a deployment enforces and back to a checked form; knows no field. Invariant: the body of
a flow sees one valid form, or the run ends Failed and says which parameter is wrong.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from prefect import Flow, flow
from prefect.context import FlowRunContext
from prefect.runtime import flow_run
from prefect.utilities.callables import ParameterSchema, parameter_schema
from pydantic import ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from crossmodal.errors import ParametersError
from flows.params.base import CollectionParams
from flows.params.forms import ADVANCED, in_order, is_remembered, remembered
from flows.params.problems import problems
from tasks.told import failures_told

Form = TypeVar("Form", bound=CollectionParams)
R = TypeVar("R")

ABSOLUTE = "^[/~]"
"""What the path of a collection begins with, wherever the run may be."""
_KEPT = ("additionalProperties", "if", "then", "else")


def form_flow(name: str, form: type[Form]) -> Callable[[Callable[[Form], R]], Flow[..., R]]:
    """Return a decorator that makes a flow whose parameters are the form's fields.

    The decorated function takes the form; the flow takes the fields, by name. The form checks the
    values, so Prefect's own validation is off.
    """

    def decorate(body: Callable[[Form], R]) -> Flow[..., R]:
        made: Flow[..., R] = flow(
            name=name,
            flow_run_name=functools.partial(_run_name, form),
            validate_parameters=False,
        )(_flat(name, form, body))
        return made

    return decorate


def deployment_schema(made: Flow[..., Any]) -> ParameterSchema:
    """Return the schema that a deployment of the flow enforces before it makes a run.

    Beyond what Prefect reads off the signature it refuses unknown names, what the form refuses of
    several fields together, and a collection whose path depends on where the run happens to be.
    """
    whole = parameter_schema(made).model_dump(exclude_unset=True)
    said = form_of(made).model_json_schema()
    whole |= {key: said[key] for key in _KEPT if key in said}
    whole["properties"]["collection"]["pattern"] = ABSOLUTE
    for name in remembered(form_of(made)):  # left open, it is what the collection remembers
        whole["properties"][name].pop("default", None)
    return _StrictSchema(**whole)


def form_of(made: Flow[..., Any]) -> type[CollectionParams]:
    """Return the form that a flow was made of."""
    form: type[CollectionParams] = made.fn.form  # type: ignore[attr-defined]
    return form


class _StrictSchema(ParameterSchema):
    """Keep the rules that Prefect's own class would drop."""

    model_config = ConfigDict(extra="allow")


def _flat(name: str, form: type[Form], body: Callable[[Form], R]) -> Callable[..., R]:
    @functools.wraps(body)
    def flat(**given: Any) -> R:
        with failures_told(name, given.get("collection")):
            return body(_checked(form, given))

    fields = [_parameter(name, form.model_fields[name]) for name in in_order(form.model_fields)]
    returned = inspect.signature(body, eval_str=True).return_annotation
    flat.__signature__ = inspect.Signature(fields, return_annotation=returned)  # type: ignore[attr-defined]
    flat.form = form  # type: ignore[attr-defined]
    return flat


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    """Return a field as a parameter from which Prefect reads title, description and bounds."""
    default = Field(
        default=None if is_remembered(field) else field.get_default(call_default_factory=True),
        description=field.description,
        json_schema_extra={"title": _title(name, field)},
    )
    annotation = (
        Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    )
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )


def _title(name: str, field: FieldInfo) -> str:
    title = field.title or name
    return f"Advanced: {title}" if name in ADVANCED else title


def _checked(form: type[Form], given: dict[str, Any]) -> Form:
    """Return the form filled in.

    Raises:
        ParametersError: a value is wrong, or the run of a deployment has a relative collection.
    """
    may_be_open = remembered(form)
    named = {
        name: value
        for name, value in given.items()
        if value is not PydanticUndefined and not (value is None and name in may_be_open)
    }
    try:
        filled = form(**named)
    except ValidationError as error:
        raise ParametersError("; ".join(problems(error))) from None
    if _is_deployed() and not filled.collection.startswith(("/", "~")):
        raise ParametersError(
            f"collection: {filled.collection!r} is relative, and a run of a deployment starts in a "
            "folder that is deleted after it: write the whole path, such as /srv/photos.duckdb"
        )
    return filled


def _is_deployed() -> bool:
    context = FlowRunContext.get()
    return bool(context and context.flow_run and context.flow_run.deployment_id)


def _run_name(form: type[CollectionParams]) -> str:
    """Return what the Prefect UI calls this run; its name so far where the form is wrong."""
    context = FlowRunContext.get()
    try:
        return _checked(form, (context.parameters if context else None) or {}).run_name
    except ParametersError:
        return str(flow_run.get_name())
