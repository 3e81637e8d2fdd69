"""Open and close a run: its row in the ledger, its working folder, its recorder and its progress.

Whatever happens inside ``recorded`` (a bug, Ctrl-C, a cancelled flow) the run's row is closed
with its state and message; only kill -9 leaves it open, and the next run then marks it
interrupted and clears its folder away. A run that is not recorded (a dry run) writes nothing
beside its working folder.
"""

from __future__ import annotations

import logging
import shutil
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from crossmodal.errors import CrossmodalError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.explain import explain_os
from crossmodal.ledger.private import as_private_as
from crossmodal.ledger.write import runs, shard_writer, undo_log
from crossmodal.records import Lineup
from crossmodal.runs import openlineage, otel
from crossmodal.runs.code_version import code_version
from crossmodal.runs.options import RunOptions
from crossmodal.runs.progress import Progress, make_progress
from crossmodal.runs.recorder import Recorder

_LOG = logging.getLogger(__name__)


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
        self.lineup: Lineup | None = None
        """What this run embeds with, once it is in the ledger: every version has its id."""
        self.params: dict[str, Any] = {}
        """What it was started with."""
        self.counts: dict[str, Any] = {}
        """What the ledger keeps of the run's report."""
        self.extras: dict[str, Any] = {}
        """What the flow adds to the run's report, by name."""
        self.notes: list[str] = []
        """What a person should know beside the numbers, in the order in which it was found."""
        self.started_s = time.time()
        self.began_s = self.started_s
        """Since when somebody waits for it: earlier than its start by a queue and a start-up."""
        collection.waited = lambda seconds: self.recorder.waited("lock wait", seconds)

    def passed_before(self, stage: str, began_s: float, ended_s: float) -> None:
        """Count time before the run opened as a stage of it."""
        self.began_s = min(self.began_s, began_s)
        self.recorder.passed(stage, "", began_s, ended_s - began_s)

    def flush_spans(self) -> None:
        """Write what the recorder holds to the ledger."""
        spans = self.recorder.drain()
        if spans and self.options.record:
            with self.collection.write() as con:
                shard_writer.write_spans(con, self.id, spans)


@contextmanager
def recorded(run: Run, params: dict[str, Any]) -> Iterator[None]:
    """Keep the run's row in the ledger, from running to completed, failed or interrupted.

    Raises:
        CollectionError: the run cannot be entered; nothing has been done then.
    """
    _make_folder(run)
    try:
        _start(run, params)
        with _closed(run):
            yield
    finally:
        run.progress.finish()
        _remove_folder(run.workdir)


@contextmanager
def _closed(run: Run) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        state = "failed" if isinstance(error, Exception) else "interrupted"
        try:
            _finish(run, state, sentence(error))
        except CrossmodalError as second:  # such as a full disk; the first error tells more
            error.add_note(f"the run's row stays open until the next run: {second}")
        raise
    _finish(run, "completed", "")


def sentence(error: BaseException) -> str:
    """Return what kind of error it is and what it says, if it says anything."""
    return ": ".join(part for part in (type(error).__name__, str(error)) if part)


def _start(run: Run, params: dict[str, Any]) -> None:
    if not run.options.record:
        return
    start = runs.RunStart(
        run_id=run.id,
        flow=run.flow,
        params=params,
        code_version=code_version(),
        flow_run_id=run.options.flow_run_id,
    )
    with run.collection.write() as con:
        interrupted = runs.start_run(con, start)
        if run.options.keep_undo:
            undo_log.set_keep_undo(con, run.options.keep_undo)
    for run_id in interrupted:
        _remove_folder(run.workdir.with_name(run_id))
    run.params = params
    _tell_lineage(run, "START", "")


def _finish(run: Run, state: str, message: str) -> None:
    if not run.options.record:
        return
    run.flush_spans()
    with run.collection.write() as con:
        undo_log.settle(con, run.id)
        # What a report says stands; a run without one, such as a stopped one, says it here.
        waited_s = {"wall_s": round(time.time() - run.began_s, 3)}
        runs.finish_run(con, run.id, state, waited_s | run.counts, message)
    _tell_lineage(run, openlineage.STATES[state], message)
    if otel.endpoint():
        _send(run)


def _tell_lineage(run: Run, state: openlineage.EventState, message: str) -> None:
    """Tell OpenLineage how a run stands, where anybody asked for it; never a failure of the run."""
    if not openlineage.is_asked_for():
        return
    event = openlineage.LineageEvent(
        state=state,
        run_id=run.id,
        flow=run.flow,
        collection=run.collection.path,
        params=run.params,
        message=message,
        num_embedded=run.counts.get("num_embedded"),
    )
    problem = openlineage.send(event)
    if problem:
        _LOG.warning("%s", problem)


def _send(run: Run) -> None:
    """Send the run's trace; what goes wrong with that is told, and is no failure of the run."""
    with run.collection.read() as con:
        record, spans = runs.run(con, run.id), runs.spans(con, run.id)
    problem = otel.send_run(record, spans)
    if problem:
        _LOG.warning("%s", problem)


def _make_folder(run: Run) -> None:
    try:
        with as_private_as(run.collection.path):
            run.workdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain_os(error, run.collection.path) from error


def _remove_folder(workdir: Path) -> None:
    """Remove a run's folder, and the folder of those folders unless another run still uses it."""
    shutil.rmtree(workdir, ignore_errors=True)
    with suppress(OSError):
        workdir.parent.rmdir()
