"""Let fifty clients use the search page for a minute while an index run commits beside it.

A client asks, reads the answer and asks again: by a text (half of them never asked before, so that
the model has to encode them), for a thumbnail, for similar items, for details. Meanwhile a run
indexes new pictures into the same collection and commits every eight of them. The clients run on
the same cores as the page and the run. The limit on requests per client is raised,
since here all fifty have one address.

    python -m benchmarks.serve_load MODEL --out benchmarks/results/2026-11-25-serve-load
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from benchmarks.serve_load_report import conditions, markdown, summary

CROSSMODAL = str(Path(sys.executable).with_name("crossmodal"))
SHARES = {"new text": 0.3, "known text": 0.3, "thumbnail": 0.25, "similar": 0.08, "details": 0.07}
NOUNS = ("car", "house", "tree", "boat", "face", "field", "cloud", "bird", "lamp", "river")
ADJECTIVES = ("red", "small", "old", "bright", "quiet", "round", "blue", "broken", "wet", "tall")
API = "/api/v1"
SHARD = 8


@dataclass
class Tally:
    """Hold what the clients saw."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in SHARES})
    errors: Counter[str] = field(default_factory=Counter)


def draw(folder: Path, first: int, count: int) -> None:
    """Write pictures that are all different."""
    folder.mkdir(exist_ok=True)
    for number in range(first, first + count):
        rng = np.random.default_rng(number)
        small = Image.fromarray(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8))
        small.resize((320, 240), Image.Resampling.BICUBIC).save(folder / f"{number:06}.jpg")


def index(folder: Path, collection: Path, model: Path) -> subprocess.Popen[bytes]:
    """Start an index run."""
    arguments = [
        CROSSMODAL,
        "index",
        str(folder),
        "--model",
        str(model),
        "--shard-size",
        str(SHARD),
    ]
    return subprocess.Popen(
        [*arguments, "-c", str(collection)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def start_page(collection: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start the page on a free port and wait until its model is loaded."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = ["ui", "-c", str(collection), "--port", str(port), "--rate", "100000", "--no-token"]
    page = subprocess.Popen([CROSSMODAL, *arguments], stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    while True:
        assert page.poll() is None, "the page ended"
        try:
            if httpx.get(f"{address}/health/ready", trust_env=False, timeout=30).is_success:
                return page, address
        except httpx.TransportError:
            pass
        time.sleep(0.2)


async def client(
    http: httpx.AsyncClient, seed: int, chunks: list[int], until: float, tally: Tally
) -> None:
    """Ask one thing after the other."""
    rng = random.Random(seed)
    number = 0
    while time.monotonic() < until:
        (kind,) = rng.choices(list(SHARES), list(SHARES.values()))
        number += 1
        path, parameters = _question(kind, rng, chunks, f"{seed} {number}")
        began = time.monotonic()
        try:
            answer = await http.get(API + path, params=parameters)
        except httpx.HTTPError as error:
            tally.errors[f"{kind}: {type(error).__name__}"] += 1
            continue
        tally.seconds[kind].append(time.monotonic() - began)
        if not answer.is_success:
            tally.errors[f"{kind}: {answer.status_code}"] += 1


def _question(
    kind: str, rng: random.Random, chunks: list[int], never_asked: str
) -> tuple[str, dict[str, Any]]:
    words = f"a {rng.choice(ADJECTIVES)} {rng.choice(NOUNS)}"
    if kind == "new text":
        return "/search", {"q": f"{words} {never_asked}"}
    if kind == "known text":
        return "/search", {"q": words, "offset": rng.choice((0, 0, 24))}
    chunk = rng.choice(chunks)
    if kind == "thumbnail":
        return f"/thumbnail/{chunk}", {"side": 320}
    return (f"/similar/{chunk}", {"k": 24}) if kind == "similar" else (f"/chunk/{chunk}", {})


async def load(options: argparse.Namespace, address: str) -> tuple[Tally, float]:
    """Let the clients ask, and return what they saw and how long they asked."""
    tally = Tally()
    limits = httpx.Limits(max_connections=options.clients)
    async with httpx.AsyncClient(
        base_url=address, limits=limits, timeout=60, trust_env=False
    ) as http:
        found = await http.get(f"{API}/search", params={"q": "a field", "k": 100})
        chunks = [hit["chunk_id"] for hit in found.json()["hits"]]
        began = time.monotonic()
        until = began + options.seconds
        await asyncio.gather(
            *(client(http, seed, chunks, until, tally) for seed in range(options.clients))
        )
        return tally, time.monotonic() - began


def num_chunks(address: str) -> int:
    """Return how many chunks the collection has."""
    time.sleep(6)  # the page's own count may be a few seconds old
    answer = httpx.get(f"{address}{API}/status", trust_env=False, timeout=60)
    return int(answer.json()["num_chunks"])


def main(options: argparse.Namespace) -> int:
    """Measure, and write the results."""
    about = conditions(
        clients=options.clients,
        seconds=options.seconds,
        sources_before=options.pictures,
        new_sources=options.new,
        shard=SHARD,
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder, collection = Path(scratch) / "pictures", Path(scratch) / "load.duckdb"
        draw(folder, 0, options.pictures)
        assert index(folder, collection, options.model).wait() == 0
        page, address = start_page(collection)
        draw(folder, options.pictures, options.new)
        run = index(folder, collection, options.model)
        try:
            first = num_chunks(address)
            while (before := num_chunks(address)) == first:  # until the run commits shards
                assert run.poll() is None, "the run ended early"
            tally, asked_s = asyncio.run(load(options, address))
            committed = num_chunks(address) - before
            still_runs = run.poll() is None
            page.send_signal(signal.SIGTERM)
            ended = page.wait(30)
        finally:
            page.kill()
            with suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)  # with the server that Prefect started for it
            run.wait()
    seconds = [one for kind in tally.seconds.values() for one in kind]
    report = {
        "conditions": about,
        "requests_per_s": round(len(seconds) / asked_s, 1),
        "num_errors": sum(tally.errors.values()),
        "errors": dict(tally.errors),
        "all": summary(seconds),
        "by_kind": {kind: summary(times) for kind, times in tally.seconds.items()},
        "chunks_committed": committed,
        "run_still_going": still_runs,
        "page_exit_code": ended,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
    options.out.with_suffix(".md").write_text(markdown(report))
    print(markdown(report))
    return int(bool(tally.errors) or not committed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--pictures", type=int, default=400)
    parser.add_argument("--new", type=int, default=1500)
    parser.add_argument("--out", type=Path, required=True)
    sys.exit(main(parser.parse_args()))
