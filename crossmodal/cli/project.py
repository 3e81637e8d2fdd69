"""Find flows, tasks and deployments wherever crossmodal is installed, and import no one else's.

In a checkout the three folders lie at its root, in a wheel within the package: names as common as
``flows`` and ``tasks`` must not lie in everybody's site-packages, and whoever starts a run may have
folders of these names of their own. So a process that runs flows puts the project first on its
path. Invariant: nothing else of the library needs the path.
"""

from __future__ import annotations

import sys
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
_SHIPPED = _PACKAGE / "project"


def folder() -> Path:
    """Return the folder that holds flows, tasks and deployments."""
    return _SHIPPED if _SHIPPED.is_dir() else _PACKAGE.parent


def put_first() -> None:
    """Let ``import flows`` find the project's, whatever the current directory holds."""
    path = str(folder())
    if sys.path[:1] != [path]:
        sys.path.insert(0, path)
