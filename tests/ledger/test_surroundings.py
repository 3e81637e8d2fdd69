from __future__ import annotations

from typing import Any

from crossmodal.ledger.read.surroundings import recordings, surroundings
from crossmodal.ledger.write import shard_writer
from crossmodal.records import Lineup, ModelVersion
from crossmodal.vectors.search import SearchRequest, search
from tests.ledger import build
from tests.ledger.build import column, plan, planned, unit, vector_row

QUERY = unit(1, 0, 0, 0)


def commit_document(con: Any, model: ModelVersion, num: int) -> None:
    """Commit passages 0 to num - 1 with a figure, part of passage 1, in their midst."""
    row = planned("/docs/a.pdf", "A", media_type="application/pdf")
    chunks = []
    for i in range(num):
        is_figure = i == 2
        place = {"kind": "figure", "parent": 1} if is_figure else {"kind": "passage"}
        modality = "image" if is_figure else "text"
        text = f"words {i}"
        chunks.append(
            vector_row(row, unit(1, i, 0, 0), ordinal=i, modality=modality, text=text, **place)
        )
    shard_writer.commit_shard(con, build.shard(model, plan(row), chunks))


def chunk_id(con: Any, ordinal: int) -> int:
    return int(column(con, "SELECT chunk_id FROM chunk WHERE ordinal = ?", ordinal)[0])


def test_neighbours_are_of_the_same_kind_and_in_reading_order(
    con: Any, model: ModelVersion
) -> None:
    commit_document(con, model, 7)
    middle = chunk_id(con, 3)
    near = surroundings(con, [middle], 2)[middle]
    assert [chunk.text for chunk in near.before] == ["words 0", "words 1"]
    assert [chunk.text for chunk in near.after] == ["words 4", "words 5"]


def test_a_chunk_at_the_end_has_neighbours_on_one_side_only(con: Any, model: ModelVersion) -> None:
    commit_document(con, model, 4)
    last = chunk_id(con, 3)
    near = surroundings(con, [last], 1)[last]
    assert ([c.ordinal for c in near.before], near.after) == ([1], [])


def test_a_figure_knows_the_passage_that_it_belongs_to(con: Any, model: ModelVersion) -> None:
    commit_document(con, model, 4)
    figure = chunk_id(con, 2)
    parent = surroundings(con, [figure], 0)[figure].parent
    assert parent is not None
    assert (parent.kind, parent.text) == ("passage", "words 1")


def test_subtitles_lead_to_the_film_beside_them(con: Any, model: ModelVersion) -> None:
    rows = [
        planned("/v/talk.mp4", "film", media_type="video/mp4"),
        planned("/v/talk.en.srt", "cues", media_type="application/x-subrip"),
        planned("/v/other.srt", "others", media_type="application/x-subrip"),
        planned("/v/talk.en/notes.srt", "far", media_type="application/x-subrip"),
    ]
    chunks = [vector_row(rows[0], QUERY, kind="frame")]
    chunks += [vector_row(r, QUERY, kind="cue", modality="text", text="hi") for r in rows[1:]]
    shard_writer.commit_shard(con, build.shard(model, plan(*rows), chunks))
    hits = search(con, SearchRequest(Lineup.of(model).lists[1], QUERY))
    assert {hit.uri for hit in hits} == {row["uri"] for row in rows[1:]}
    assert recordings(con, hits) == {"/v/talk.en.srt": "/v/talk.mp4"}
