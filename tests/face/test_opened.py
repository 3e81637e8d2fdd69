"""Search, likeness, status and SQL through the object that ``crossmodal.open`` returns."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pytest
from PIL import Image

import crossmodal
from crossmodal.errors import (
    CollectionMissing,
    FilterError,
    NoSuchChunk,
    ParametersError,
    PathError,
    SqlError,
)
from tests.face.conftest import NUM_PICTURES, Album
from tests.tiny_rerankers import build_blip


def paths(hits: crossmodal.Hits) -> list[str]:
    return [hit.path for hit in hits]


def test_text_finds_hits_that_are_plain_values(album: Album) -> None:
    with crossmodal.open(album.path, device="cpu") as opened:
        hits = opened.search("a boat on the sea", k=5)
    assert len(hits) == 5
    assert [hit.rank for hit in hits] == [1, 2, 3, 4, 5]
    assert hits.query == "a boat on the sea"
    assert hits.has_more
    assert isinstance(hits[0], crossmodal.Hit)
    assert dataclasses.asdict(hits[0])["path"] == hits[0].path
    assert len(hits[1:3]) == 2
    assert isinstance(hits[1:3], crossmodal.Hits)
    with pytest.raises(dataclasses.FrozenInstanceError):
        hits[0].path = "elsewhere"  # type: ignore[misc]


def test_question_is_answered_by_sentences_of_the_sources(album: Album) -> None:
    found = album.opened.ask("which note?", k=2, modalities="text")
    assert [source.number for source in found.sources] == [1, 2]
    assert found.sources[0].evidence[0].quotes[0].startswith("note")


def test_list_of_texts_gives_what_each_gives_alone(album: Album) -> None:
    texts = ["a boat", "a table"]
    together = album.opened.search(texts, k=3)
    assert [hits.query for hits in together] == texts
    assert [paths(hits) for hits in together] == [
        paths(album.opened.search(text, k=3)) for text in texts
    ]


def test_picture_is_found_by_path_by_bytes_and_as_pil_sees_it(album: Album) -> None:
    picture = album.pictures[1]
    buffer = io.BytesIO()
    with Image.open(picture) as loaded:
        loaded.save(buffer, "PNG")
        found = [
            album.opened.search(image=given, k=3, modalities="image")
            for given in (picture, str(picture), buffer.getvalue(), loaded)
        ]
    assert {hits[0].path for hits in found} == {str(picture)}
    assert found[2].found == found[3].found


def test_conditions_and_modalities_may_be_one_or_many(album: Album) -> None:
    one = album.opened.search("a boat", where="path=*.jpg", modalities="image")
    many = album.opened.search("a boat", where=["path=*.jpg"], modalities=["image"])
    assert one == many
    assert one
    assert all(hit.path.endswith(".jpg") for hit in one)


def test_likeness_of_a_chunk_a_hit_and_a_path_leave_themselves_out(album: Album) -> None:
    first = album.opened.search(image=album.pictures[1], k=1)[0]
    assert first.path == str(album.pictures[1])
    by_id = album.opened.similar(first.chunk_id, k=4, modalities="image")
    by_hit = album.opened.similar(first, k=4, modalities="image")
    by_path = album.opened.similar(album.pictures[1], k=4, modalities="image")
    assert paths(by_id) == paths(by_hit) == paths(by_path)
    assert first.path not in paths(by_id)


def test_likeness_of_nothing_is_refused_and_never_read_as_a_text(album: Album) -> None:
    with pytest.raises(NoSuchChunk):
        album.opened.similar(999)
    for missing in ("no such thing", "/nowhere/a picture of.jpg", "12"):
        with pytest.raises(PathError, match="neither in the collection nor a file"):
            album.opened.similar(missing)


def test_status_and_models_tell_what_the_collection_holds(album: Album) -> None:
    assert album.opened.status().num_sources == NUM_PICTURES + 2
    (entry,) = album.opened.models()
    assert entry.vectors == {"image": NUM_PICTURES, "text": 2}


def test_sql_reads_and_takes_parameters(album: Album) -> None:
    found = album.opened.sql("SELECT count(*) AS num FROM source WHERE uri LIKE ?", ["%.jpg"])
    assert found.to_pydict() == {"num": [1]}


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM source",
        "SELECT 1; DROP TABLE source",
        "COPY source TO '{away}'",
        "EXPLAIN ANALYZE COPY source TO '{away}'",
        "ATTACH '{away}' AS other",
        "SELECT no_such_column FROM source",
        "SELEC 1",
        "",
    ],
)
def test_sql_that_writes_or_is_wrong_is_refused(album: Album, query: str, tmp_path: Path) -> None:
    away = tmp_path / "away"
    with pytest.raises(SqlError):
        album.opened.sql(query.format(away=away))
    assert not away.exists()
    assert album.opened.status().num_sources == NUM_PICTURES + 2


def test_missing_collection_is_told_of_and_none_is_made(tmp_path: Path) -> None:
    opened = crossmodal.open(tmp_path / "none.duckdb")
    for ask in (
        lambda: opened.search("a boat"),
        lambda: opened.search(["a boat"]),
        lambda: opened.similar(1),
        opened.status,
        opened.models,
        lambda: opened.sql("SELECT 1"),
        lambda: crossmodal.read_vectors(opened, "image"),
    ):
        with pytest.raises(CollectionMissing, match=r"none\.duckdb"):
            ask()
    assert not list(tmp_path.iterdir())


def test_questions_that_cannot_be_understood_are_refused(album: Album) -> None:
    opened = album.opened
    with pytest.raises(FilterError, match="nothing to search for"):
        opened.search()
    with pytest.raises(FilterError, match="nothing to search for"):
        opened.search(["a boat", " "])
    with pytest.raises(FilterError, match="either"):
        opened.search("a boat", image=album.pictures[1])
    with pytest.raises(ParametersError, match="k is 0"):
        opened.search("a boat", k=0)
    with pytest.raises(ParametersError, match="image is int"):
        opened.search(image=3)  # type: ignore[call-overload]
    with pytest.raises(PathError, match="cannot be used"):
        opened.search(image=b"no picture")


def test_wrong_option_of_index_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(ParametersError, match="no_such"):
        crossmodal.open(tmp_path / "c.duckdb").index(tmp_path, no_such=1)
    assert not (tmp_path / "c.duckdb").exists()


def test_pictures_are_reranked_by_what_a_matcher_sees_of_them(album: Album, tmp_path: Path) -> None:
    matcher = str(build_blip(tmp_path / "blip"))
    wanted = {"k": NUM_PICTURES, "modalities": "image"}
    before = album.opened.search("a boat on the sea", rerank="off", **wanted)
    after = album.opened.search("a boat on the sea", rerank=matcher, **wanted)
    assert after.reranked_by.startswith("blip@")
    scores = [hit.rerank_score for hit in after]
    assert None not in scores
    assert scores == sorted(scores, reverse=True)  # type: ignore[type-var]
    assert len(set(scores)) > 1
    assert sorted(paths(after)) == sorted(paths(before))
    of_each = {hit.path: (hit.score, hit.merit) for hit in before}
    assert {hit.path: (hit.score, hit.merit) for hit in after} == of_each
