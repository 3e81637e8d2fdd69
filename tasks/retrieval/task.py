"""Open the retrieval room to flows: answer a query, publish the answer, sample thumbnails."""

from __future__ import annotations

import pyarrow.parquet as pq
from prefect.artifacts import create_markdown_artifact

from tasks.records import Plan
from tasks.retrieval.options import QueryOptions
from tasks.retrieval.query import Answer, answer
from tasks.retrieval.thumbnails import thumbnail_png
from tasks.run import Run
from tasks.task import collection_key, showing, stage

NUM_SAMPLES = 6


@stage("answer")
def answer_query(options: QueryOptions, text: str | None, image: str | None) -> Answer:
    """Return the hits for one text or one picture."""
    return answer(options, [text] if text else [], [image] if image else [])[0]


@stage("publish answer")
def publish_answer(found: Answer, collection: str) -> None:
    """Show the hits in the Prefect UI."""
    with showing():
        create_markdown_artifact(
            found.to_markdown(),
            key=collection_key("search-hits", collection),
            description=found.query,
        )


@stage("sample thumbnails")
def sample_thumbnails(run: Run, plan: Plan) -> list[tuple[str, bytes]]:
    """Return a few of the newly embedded pictures as (name, PNG bytes) for the report."""
    if not plan.batches:
        return []
    shards = pq.ParquetFile(plan.batches[0].shards)
    uris = shards.read_row_group(0, columns=["uri"])["uri"].to_pylist()[:NUM_SAMPLES]
    thumbnails = ((uri, thumbnail_png(uri)) for uri in uris)
    return [(uri, png) for uri, png in thumbnails if png]
