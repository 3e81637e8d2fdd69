"""Say which code a run ran: the release, and the git commit where it is a checkout."""

from __future__ import annotations

import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_TIMEOUT_S = 5.0


@cache
def code_version() -> str:
    """Return the release, in a checkout with its commit: ``0.3.0+g1a2b3c4d5e6f``."""
    commit = _commit()
    return version("crossmodal") + (f"+g{commit}" if commit else "")


def _commit() -> str:
    """Return the first twelve digits of the commit; empty for an installed package.

    A package that lies somewhere below another project's checkout is not that project.
    """
    if not (_ROOT / ".git").exists():
        return ""
    asked = ["git", "-C", str(_ROOT), "rev-parse", "--short=12", "HEAD"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
