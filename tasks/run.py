"""Open and close a run: its row in the ledger, its working folder, its recorder and its progress.

Whatever happens inside ``open_run`` (a bug, Ctrl-C, a cancelled flow) the run's row is closed
with its state and message; only kill -9 leaves it open, and the next run then marks it
interrupted. A run that is not recorded (a dry run) writes nothing beside its working folder.
"""

from __future__ import annotations

import shutil
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tasks.profiling.options import RunOptions
from tasks.profiling.progress import Progress, make_progress
from tasks.profiling.recorder import Recorder
from tasks.storage import runs, writer
from tasks.storage.collection import Collection


class Run:
    """Carry what the stages of one run share; passed by reference, never copied or stored."""

    def __init__(self, collection: Collection, flow: str, options: RunOptions) -> None:
        self.id = uuid.uuid4().hex
        self.flow = flow
        self.collection = collection
        self.options = options
        self.workdir = Path(f"{collection.path}.runs") / self.id
        self.recorder = Recorder()
        self.progress: Progress = make_progress(sys.stderr, quiet=options.quiet)
        self.counts: dict[str, Any] = {}
        """What the ledger keeps of the run's report."""
        self.started_s = time.time()

    def flush_spans(self) -> None:
        """Write what the recorder holds to the ledger."""
        spans = self.recorder.drain()
        if spans and self.options.record:
            with self.collection.write() as con:
                writer.write_spans(con, self.id, spans)


@contextmanager
def open_run(
    flow: str, collection: str, params: dict[str, Any], options: RunOptions
) -> Iterator[Run]:
    """Yield a Run; close its ledger row as completed, failed or interrupted."""
    run = Run(Collection(collection), flow, options)
    run.workdir.mkdir(parents=True, exist_ok=True)
    try:
        _start(run, params)
        yield run
    except BaseException as error:
        _finish(run, "failed" if isinstance(error, Exception) else "interrupted", error)
        raise
    else:
        _finish(run, "completed", None)
    finally:
        run.progress.finish()
        shutil.rmtree(run.workdir, ignore_errors=True)
        _remove_if_empty(run.workdir.parent)


def _start(run: Run, params: dict[str, Any]) -> None:
    if not run.options.record:
        return
    start = runs.RunStart(
        run_id=run.id, flow=run.flow, params=params, code_version=version("crossmodal")
    )
    with run.collection.write() as con:
        runs.start_run(con, start)


def _finish(run: Run, state: str, error: BaseException | None) -> None:
    if not run.options.record:
        return
    message = f"{type(error).__name__}: {error}" if error else ""
    run.flush_spans()
    with run.collection.write() as con:
        runs.finish_run(con, run.id, state, run.counts, message)


def _remove_if_empty(folder: Path) -> None:
    """Remove the folder of working folders unless another run still uses it."""
    try:
        folder.rmdir()
    except OSError:
        return
