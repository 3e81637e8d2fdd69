"""Be where workers find the flows: ``crossmodal.cli.flows.index`` and so on.

A deployment names its flow by module, which a worker imports in whatever directory it was started.
This name is the package's own; the flow itself is then read from the project.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from crossmodal.cli.project import put_first

# Flows whose module has another name than they have.
_MODULES = {"backfill_partition": "backfill", "report_status": "status"}


def __getattr__(name: str) -> Any:
    """Return a flow by its name.

    Raises:
        AttributeError: there is none of this name.
    """
    if name.startswith("_"):
        raise AttributeError(name)
    put_first()
    module = f"flows.{_MODULES.get(name, name)}"
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise AttributeError(f"crossmodal has no flow {name}") from error
