from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from crossmodal.ledger.read import chunks
from crossmodal.ledger.read.chunks import find_chunk
from crossmodal.ledger.write import shard_writer
from crossmodal.records import ModelVersion
from tests.ledger import build
from tests.ledger.build import column, plan, planned, unit, vector_row

QUERY = unit(1, 0, 0, 0)


def the_chunk(con: Any, kind: str = "image") -> int:
    return int(column(con, "SELECT chunk_id FROM chunk WHERE kind = ?", kind)[0])


def test_chunk_comes_with_its_place_and_its_source(con: Any, model: ModelVersion) -> None:
    row = planned("/photos/a.png", "A", mtime_ns=1_700_000_000_000_000_000)
    cut = vector_row(row, QUERY, ordinal=3, section="Harbour", text="boats", meta='{"page": 2}')
    shard_writer.commit_shard(con, build.shard(model, plan(row), [cut]))
    known = find_chunk(con, the_chunk(con))
    assert known
    hit = known.hit
    assert (hit.uri, hit.ordinal, hit.section, hit.text) == ("/photos/a.png", 3, "Harbour", "boats")
    assert (hit.meta, hit.num_copies, known.chunker) == ({"page": 2}, 1, "whole/1")
    assert hit.modified == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    (source,) = known.sources
    assert (source.root, source.size_bytes, source.media_type) == ("/photos", 100, "image/png")
    assert (known.plays, known.medium) == (None, source)


def test_chunk_that_never_was_is_not_found(con: Any, model: ModelVersion) -> None:
    assert find_chunk(con, 999) is None


def test_chunk_whose_sources_are_gone_is_not_found(con: Any, model: ModelVersion) -> None:
    build.commit(con, model, planned("/photos/a.png", "A"))
    chunk_id = the_chunk(con)
    con.execute("DELETE FROM source")
    assert find_chunk(con, chunk_id) is None


def test_copies_are_all_counted_though_only_some_are_told(con: Any, model: ModelVersion) -> None:
    rows = [planned(f"/photos/{i:03}.png", "A") for i in range(chunks.MAX_SOURCES + 5)]
    shard_writer.commit_shard(con, build.shard(model, plan(*rows), [vector_row(rows[0], QUERY)]))
    known = find_chunk(con, the_chunk(con))
    assert known
    assert known.hit.num_copies == chunks.MAX_SOURCES + 5
    assert len(known.sources) == chunks.MAX_SOURCES
    assert known.sources[0].uri == known.hit.uri == "/photos/000.png"


def test_source_whose_store_told_no_time_has_none(con: Any, model: ModelVersion) -> None:
    build.commit(con, model, planned("https://here/a.png", "A", mtime_ns=0))
    known = find_chunk(con, the_chunk(con))
    assert known
    assert known.hit.modified is None


def test_timed_words_are_shown_by_the_film_beside_them(con: Any, model: ModelVersion) -> None:
    film = planned("/v/talk.mp4", "film", media_type="video/mp4")
    cues = planned("/v/talk.srt", "cues", media_type="application/x-subrip")
    rows = [
        vector_row(film, QUERY, kind="frame"),
        vector_row(cues, QUERY, kind="cue", modality="text", text="hi", meta='{"start_s": 1.5}'),
    ]
    shard_writer.commit_shard(con, build.shard(model, plan(film, cues), rows))
    known = find_chunk(con, the_chunk(con, "cue"))
    assert known
    assert known.plays
    assert known.medium.uri == "/v/talk.mp4"
    assert known.sources[0].uri == "/v/talk.srt"


def test_words_without_a_time_are_not_looked_for_in_a_film(con: Any, model: ModelVersion) -> None:
    film = planned("/v/talk.mp4", "film", media_type="video/mp4")
    notes = planned("/v/talk.txt", "notes", media_type="text/plain")
    rows = [
        vector_row(film, QUERY, kind="frame"),
        vector_row(notes, QUERY, kind="passage", modality="text", text="hi"),
    ]
    shard_writer.commit_shard(con, build.shard(model, plan(film, notes), rows))
    known = find_chunk(con, the_chunk(con, "passage"))
    assert known
    assert known.plays is None
