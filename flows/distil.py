"""Make a smaller student of a model, from pictures that need no captions.

find pictures and the teacher's vectors of them -> learn -> write and register -> report. What comes
of it is a model version beside the live one: evaluate it, then promote it.
"""

from __future__ import annotations

from typing import Any

from flows.params.distil import DistilParams
from flows.params.flat import form_flow
from tasks.distil import learn_student, prepare_pictures, register_student, report_student
from tasks.report import open_run


@form_flow("distil", DistilParams)
def distil(params: DistilParams) -> dict[str, Any]:
    """Learn a teacher's vectors of pictures; nothing is registered unless it was learned."""
    spec = params.spec()
    with open_run("distil", params.collection, params.model_dump(), params.run_options()) as run:
        shown = prepare_pictures(run, spec)
        student = learn_student(run, shown, spec)
        version = register_student(run, shown, student, spec)
        return report_student(run, shown, student, version, params.curves)
