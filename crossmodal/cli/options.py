"""Define the options of commands that have no form; what a flow takes is drawn from its form.

Each is written once and helps alike everywhere.
"""

from __future__ import annotations

from typing import Annotated

import typer

DEFAULT_COLLECTION = "crossmodal.duckdb"

CollectionOption = Annotated[
    str,
    typer.Option("--collection", "-c", envvar="CROSSMODAL_COLLECTION", help="The DuckDB file."),
]
ModelOption = Annotated[
    str | None,
    typer.Option("--model", "-m", help="Hub id, directory, or starter, the built-in model."),
]
DeviceOption = Annotated[str, typer.Option(help="auto, cuda, mps or cpu.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
