"""Embed a shard on a Ray cluster of two worker nodes, in a process of its own, and tell by a file.

A runner is for the life of a process, so no test can do this in pytest's.

    python -m tests.scale.on_ray PLAN MODEL ANSWER [kill]
"""

from __future__ import annotations

import os
import pickle
import sys
import threading
import time
from pathlib import Path

import psutil
import pyarrow.parquet as pq

PAUSE_S = 0.3
"""After which the shard is under way on nodes that are warm."""


def main(plan: str, model: str, answer: str, kill: bool) -> None:
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
    )
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    os.environ["RAY_ADDRESS"] = cluster.address
    try:
        told = embed(plan, model, kill)
    finally:
        import ray

        ray.shutdown()
        cluster.shutdown()
    Path(answer).write_bytes(pickle.dumps(told))


def embed(plan: str, model: str, kill: bool) -> dict[str, object]:
    from tasks.embedding import model_files
    from tasks.embedding.encoders import Encoders
    from tasks.embedding.options import EmbedOptions, ModelSpec
    from tasks.embedding.query import embed_shard
    from tasks.records import Lineup, Span

    files = model_files.resolve(ModelSpec(model))
    version = model_files.describe(files, "float32", model_files.weights_hash(files))
    encoders, options = Encoders(Lineup.of(version), "cpu"), EmbedOptions(runner="ray")
    planned = pq.read_table(plan)
    spans: list[Span] = []
    advanced: list[int] = []
    victims: list[int] = []
    if kill:
        embed_shard(planned.slice(0, 40), encoders, options, lambda _: None, lambda _: None)
        victims = workers()
        threading.Timer(PAUSE_S, psutil.Process(victims[0]).kill).start()
    started = time.time()
    shard = embed_shard(planned, encoders, options, spans.append, advanced.append)
    return {
        "cut": shard.cut,
        "vectors": [(listed.modality, table) for listed, table in shard.vectors.items()],
        "spans": [(span.operator, span.num_items) for span in spans],
        "advanced": sum(advanced),
        "victims": victims,
        "survivors": workers(),
        "wall_s": time.time() - started,
    }


def workers() -> list[int]:
    """Return the processes that do a cluster's work, one a node with a processor."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if "ray::RaySwordfishActor" in (process.info["cmdline"] or [""])[0]
    ]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], "kill" in sys.argv[4:])
