"""Run parsers in a child: what comes back, what is refused, and what is left behind."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import pytest

from crossmodal.errors import Refused
from crossmodal.sandbox.pool import _MAX_IDLE, _ChildPool, run_in_child
from crossmodal.sandbox.process import Child
from tests.sandbox import child_targets

ROOT = Path(__file__).parents[2]
TARGETS = "from tests.sandbox import child_targets"


def run(name: str, *args: Any, max_seconds: float = 20.0, max_mb: float = 500) -> Iterator[Any]:
    return run_in_child(
        getattr(child_targets, name),
        *args,
        yields=(Any, bytes, tuple[float, bytes], npt.NDArray[np.uint8]),
        max_seconds=max_seconds,
        max_memory_bytes=int(max_mb * 1e6),
    )


def refusal(items: Iterator[Any]) -> Refused:
    with pytest.raises(Refused) as caught:
        list(items)
    return caught.value


def is_gone(pid: int, within_s: float = 5.0) -> bool:
    """Return whether a process ends in time and leaves no zombie of ours."""
    ends = time.monotonic() + within_s
    while time.monotonic() < ends:
        if not psutil.pid_exists(pid):
            return True
        time.sleep(0.01)
    return False


def test_items_arrive_in_order_and_unchanged() -> None:
    items = [{"page": 1}, b"\x00" * 3_000_000, ["a", None], np.arange(5, dtype=np.uint8)]
    got = list(run("echo", *items))
    assert got[:3] == items[:3]
    assert np.array_equal(got[3], items[3])


def test_child_is_another_process_and_is_used_again() -> None:
    (first,), (second,) = run("pids"), run("pids")
    assert first == second != os.getpid()


def test_child_imports_nothing_heavy_by_itself() -> None:
    (loaded,) = run_fresh_modules()
    assert not loaded & {"numpy", "PIL", "torch", "daft", "prefect", "crossmodal.pictures.refusal"}


def run_fresh_modules() -> list[set[str]]:
    """Return the modules of a child that has served nothing before."""
    code = (
        "from crossmodal.sandbox.pool import run_in_child as run\n"
        f"{TARGETS}\n"
        "from typing import Any\n"
        "limits = {'max_seconds': 20, 'max_memory_bytes': 10**9}\n"
        "found, = run(child_targets.modules, yields=(Any,), **limits)\n"
        "print(*sorted(found))"
    )
    return [set(started_elsewhere(code, ROOT, path=ROOT).split())]


def started_elsewhere(code: str, folder: Path, *, path: Path) -> str:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(path)},
        timeout=300,
    ).stdout


def test_child_starts_where_a_strange_tasks_folder_lies(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "__init__.py").write_text("raise SystemExit('the wrong tasks')")
    code = f"""
        import sys
        sys.path.remove("")
        from crossmodal.sandbox.pool import run_in_child
        {TARGETS}
        print(*run_in_child(
            child_targets.echo, "here", yields=(str,), max_seconds=20, max_memory_bytes=10**9))
    """
    assert started_elsewhere(textwrap.dedent(code), tmp_path, path=ROOT) == "here\n"


def test_refusal_of_the_parser_arrives_and_keeps_the_child() -> None:
    items = run("refuse", "encrypted", "it wants a password")
    pid = next(items)
    caught = refusal(items)
    assert (caught.reason, caught.detail) == ("encrypted", "it wants a password")
    assert caught.transient
    assert list(run("pids")) == [pid]


def test_exception_of_the_parser_is_a_crash_told_in_one_line() -> None:
    caught = refusal(run("stumble"))
    assert caught.reason == "parser_crashed"
    assert caught.detail.startswith("ValueError: an odd byte at 7 (child_targets.py:")


@pytest.mark.parametrize(
    ("name", "args", "words"),
    [
        ("die", ["SIGSEGV"], "SIGSEGV"),
        ("die", ["SIGKILL"], "SIGKILL"),
        ("leave", [], "exit code 3"),
        ("quit_politely", [], "SystemExit"),
        ("nest", [0], "RecursionError"),
        ("no_plain_data", [], "may not yield a function"),
    ],
)
def test_every_way_to_die_is_a_crash(name: str, args: list[Any], words: str) -> None:
    caught = refusal(run(name, *args))
    assert caught.reason == "parser_crashed"
    assert words in caught.detail


def test_crash_spares_the_next_source() -> None:
    refusal(run("die", "SIGSEGV"))
    assert list(run("echo", "next")) == ["next"]


@pytest.mark.parametrize("name", ["loop", "loop_in_c"])
def test_looping_parser_is_stopped_in_time_and_leaves_no_zombie(name: str) -> None:
    items = run(name, max_seconds=0.7)
    pid, started = next(items), time.monotonic()
    caught = refusal(items)
    assert caught.reason == "timed_out"
    assert "0.7 s" in caught.detail
    assert time.monotonic() - started < 30
    assert not psutil.pid_exists(pid)


def test_time_of_the_consumer_does_not_count() -> None:
    got = []
    for item in run("slow_reader_friend", 3, 0.01, max_seconds=3):
        time.sleep(1.2)
        got.append(item)
    assert got == [0, 1, 2]


def test_time_adds_up_over_the_items_of_a_source() -> None:
    assert refusal(run("slow_reader_friend", 50, 0.1, max_seconds=0.7)).reason == "timed_out"


def test_too_much_memory_is_refused_and_the_limit_is_per_source() -> None:
    caught = refusal(run("allocate", 400_000_000, max_mb=200))
    assert caught.reason == "out_of_memory"
    assert "200 MB" in caught.detail
    assert list(run("allocate", 400_000_000, max_mb=600)) == [400_000_000]
    assert refusal(run("allocate", 400_000_000, max_mb=200)).reason == "out_of_memory"


def test_abort_of_a_large_child_is_told_as_lack_of_memory() -> None:
    # More than this process ever held: until exec, a child counts as holding as much.
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + 600_000_000
    limit = size * 1.1 / 1e6
    assert refusal(run("allocate_and_abort", size, max_mb=limit)).reason == "out_of_memory"
    assert refusal(run("allocate_and_abort", 1000)).reason == "parser_crashed"


def test_child_that_stays_large_is_replaced() -> None:
    (pid,) = run("hold", 600_000_000, max_mb=900)
    assert is_gone(pid)


def test_what_libraries_print_is_swallowed(capfd: pytest.CaptureFixture[str]) -> None:
    assert list(run("talk", "noise")) == ["''"]
    assert capfd.readouterr() == ("", "")


def test_child_does_not_run_far_ahead() -> None:
    items = run("stamped", 100, 1_000_000)
    next(items)
    time.sleep(0.5)
    woken_s = time.monotonic()
    made_before = [made_s for made_s, _ in items if made_s < woken_s]
    assert len(made_before) <= 5


def test_abandoned_iterator_ends_its_child() -> None:
    items = run("loop")
    pid = next(items)
    del items
    assert is_gone(pid)


def test_function_that_only_this_process_has_is_a_bug_and_no_refusal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def only_here() -> Iterator[int]:
        yield 1

    only_here.__module__, only_here.__qualname__ = child_targets.__name__, "only_here"
    monkeypatch.setattr(child_targets, "only_here", only_here, raising=False)
    with pytest.raises(ImportError, match="only_here"):
        list(run("only_here"))


def _of_the_started_program() -> Iterator[int]:
    yield 1


_of_the_started_program.__module__ = "__main__"


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda: iter([1]), "<lambda>"),
        (partial(child_targets.echo, 1), "partial"),
        (_of_the_started_program, "__main__._of_the_started_program"),
    ],
)
def test_function_that_no_child_can_import_is_told_of_at_once(
    function: Callable[..., Iterator[int]], name: str
) -> None:
    with pytest.raises(ValueError, match=f"cannot import .*{name}.* top of a module"):
        run_in_child(function, yields=(int,), max_seconds=20, max_memory_bytes=10**9)


def test_closure_is_told_of_at_once() -> None:
    def closure() -> Iterator[int]:
        yield 1

    with pytest.raises(ValueError, match="closure"):
        run_in_child(closure, yields=(int,), max_seconds=20, max_memory_bytes=10**9)


def test_many_threads_share_the_pool() -> None:
    got: dict[int, list[Any]] = {}

    def work(number: int) -> None:
        for turn in range(3):
            got[number * 10 + turn] = list(run("echo", number, turn))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == {n * 10 + turn: [n, turn] for n in range(6) for turn in range(3)}


def test_child_outlives_the_thread_that_asked_for_it() -> None:
    refusal(run("leave"))
    seen: list[int] = []
    threads = [threading.Thread(target=lambda: seen.extend(run("pids"))) for _ in range(2)]
    for thread in threads:
        thread.start()
        thread.join()
    time.sleep(0.2)
    assert list(run("pids")) == seen[:1] == seen[1:]


def test_idle_children_of_other_packages_do_not_keep_a_child_from_waiting() -> None:
    def child_of(package: str) -> Child:
        child = pool.take((package,))
        pool.put(child, reusable=True)
        return child

    pool = _ChildPool()
    try:
        first, *_, last = [child_of(f"/package/{number}") for number in range(_MAX_IDLE + 1)]
        assert pool.take(last.packages) is last
        assert is_gone(first.pid)
    finally:
        last.kill()
        pool.clear()


def test_child_is_replaced_after_many_sources() -> None:
    pids = {next(run_to_end("pids")) for _ in range(2_050)}
    assert 2 <= len(pids) <= 3
    assert sum(psutil.pid_exists(pid) for pid in pids) == 1


def run_to_end(name: str) -> Iterator[Any]:
    return iter(list(run(name)))


def test_child_dies_with_a_killed_parent() -> None:
    code = f"""
        import sys
        from crossmodal.sandbox.pool import run_in_child
        {TARGETS}
        limits = dict(max_seconds=600, max_memory_bytes=10**9)
        items = run_in_child(child_targets.loop_in_c, yields=(int,), **limits)
        print(next(items), flush=True)
        next(items)
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert parent.stdout is not None
    with parent.stdout as lines:
        child = int(lines.readline())
    assert psutil.pid_exists(child)
    parent.kill()
    parent.wait()
    ends = time.monotonic() + 60
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_forked_process_has_children_of_its_own() -> None:
    (ours,) = run("pids")
    code = f"""
        import os
        from crossmodal.sandbox.pool import run_in_child
        {TARGETS}
        def pid():
            limits = dict(max_seconds=20, max_memory_bytes=10**9)
            found, = run_in_child(child_targets.pids, yields=(int,), **limits)
            return found
        first, (reading, writing) = pid(), os.pipe()
        if os.fork() == 0:
            os.write(writing, str(pid()).encode())
            os._exit(0)
        other = int(os.read(reading, 20))
        os.wait()
        print(first == pid(), first != other)
    """
    assert started_elsewhere(textwrap.dedent(code), ROOT, path=ROOT) == "True True\n"
    assert list(run("pids")) == [ours]
