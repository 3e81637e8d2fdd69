"""Keep third parties quiet in a process that runs flows: a command, or Python that indexes.

Must be called before Prefect and Daft are imported, which read the environment then.
"""

from __future__ import annotations

import os


def quieten() -> None:
    """Keep third parties from phoning home or talking over the report; the user's settings win."""
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    # Without a server of its own a process starts one: more than 20 s on a machine at work.
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "180")
    os.environ.setdefault("DAFT_PROGRESS_BAR", "0")
