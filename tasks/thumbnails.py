"""Sample thumbnails of what was embedded."""

from __future__ import annotations

import pyarrow.parquet as pq

from crossmodal.previews.thumbnail import thumbnail_png
from crossmodal.records import Plan
from crossmodal.runs.run import Run
from tasks.stage import stage

NUM_SAMPLES = 6


@stage("sample thumbnails", timed=True)
def sample_thumbnails(run: Run, plan: Plan) -> list[tuple[str, bytes]]:
    """Return a few of the newly embedded pictures as (name, PNG bytes) for the report."""
    if not plan.batches:
        return []
    shards = pq.ParquetFile(plan.batches[0].shards)
    uris = shards.read_row_group(0, columns=["uri"])["uri"].to_pylist()[:NUM_SAMPLES]
    thumbnails = ((uri, thumbnail_png(uri)) for uri in uris)
    return [(uri, png) for uri, png in thumbnails if png]
