"""What a reviewer hides is left out before the best are chosen, by every way to search a list."""

from __future__ import annotations

import pytest

from crossmodal.ledger.read.filters import parse_where, where_in
from crossmodal.ledger.read.hidden import hidden_chunks
from crossmodal.ledger.read.surroundings import surroundings
from crossmodal.ledger.words.bm25 import match
from crossmodal.ledger.words.postings import count_words, name_languages
from crossmodal.ledger.write import model_versions, reviews
from crossmodal.records import Lineup, VectorList
from crossmodal.search.many import merged_many
from crossmodal.search.merge import merged
from crossmodal.search.options import QueryOptions
from crossmodal.vectors.ann.cache import CodesFolder
from crossmodal.vectors.ann.update import update_codes
from crossmodal.vectors.search import SearchRequest, find, nearest_chunks
from tests.moderation.hiding import ANN, hide, undo
from tests.moderation.world import World, leaning, policy

CLOSE = (0.9, 0.92, 0.94, 0.96)


@pytest.fixture
def near(world: World) -> tuple[World, list[int]]:
    """Return a collection with codes, and the chunks nearest to axis 0, the nearest last."""
    world.add(*[i / 200 for i in range(40)])
    close = [world.add(towards)[0] for towards in CLOSE]
    with world.collection.write() as con:
        model_versions.set_live(con, Lineup.of(world.model))
    update_codes(world.collection, VectorList(world.model, "image"), min_vectors=1)
    return world, close


def nearest(world: World, *where: str, k: int = 3) -> list[int]:
    """Return the nearest chunks as exact search and codes find them alike."""
    held, ways = VectorList(world.model, "image"), []
    with world.collection.read() as con:
        request = SearchRequest(held, leaning(1.0, 1), k=k, where=where_in(con, where))
        for codes in (None, CodesFolder(world.collection.path)):
            found = find(con, request, codes)
            assert where or found.notice.method == ("codes" if codes else "exact")
            ways.append([hit.chunk_id for hit in found.hits])
            ways.append(nearest_chunks(con, request, codes).chunk_ids.tolist())
    assert ways[1:] == ways[:-1]
    return ways[0]


def test_page_without_what_is_hidden_is_full_and_its_undoing_counts_at_once(
    near: tuple[World, list[int]],
) -> None:
    world, (fourth, third, second, first) = near
    assert nearest(world) == [first, second, third]
    number, _ = hide(world.collection, first, third)
    assert nearest(world)[:2] == [second, fourth]
    assert len(nearest(world)) == 3
    undo(world.collection, number)
    assert nearest(world)[:3] == [first, second, fourth]


def test_reviewer_who_asks_for_it_sees_what_is_hidden(near: tuple[World, list[int]]) -> None:
    world, (_, third, second, first) = near
    hide(world.collection, first)
    assert nearest(world, "hidden=any") == [first, second, third]
    assert nearest(world, "hidden=yes") == [first]
    assert nearest(world, "HIDDEN=No")[0] == second
    assert nearest(world, "path=*.png")[0] == second
    assert nearest(world, "path=*.png", "hidden=any")[0] == first
    assert nearest(world, "type=image/*", "hidden=yes", "hidden=no") == []


def test_what_is_hidden_stays_in_the_file(near: tuple[World, list[int]]) -> None:
    world, close = near
    with world.collection.read() as con:
        before = con.execute("SELECT * FROM chunk ORDER BY ALL").fetchall()
    hide(world.collection, *close)
    with world.collection.read() as con:
        assert con.execute("SELECT * FROM chunk ORDER BY ALL").fetchall() == before
        assert parse_where(["hidden=no"]).pairs
        assert hidden_chunks(con) == tuple(sorted(close))


def test_one_of_many_queries_finds_what_it_finds_alone(near: tuple[World, list[int]]) -> None:
    world, (_, third, second, first) = near
    hide(world.collection, first)
    held, codes = VectorList(world.model, "image"), CodesFolder(world.collection.path)
    options = QueryOptions(collection=str(world.collection.path), k=2)
    asked = [{held: leaning(1.0, seed)} for seed in (1, 2)]
    with world.collection.read() as con:
        pages = merged_many(con, asked, options, where_in(con, []), codes)
        alone = merged(con, asked[0], options, where_in(con, []), codes)
    assert [hit.chunk_id for hit in alone.hits] == [second, third]
    assert [page.hits for page in pages] == [alone.hits, alone.hits]


def test_a_picture_and_the_words_in_it_are_hidden_together(world: World) -> None:
    collection = world.collection
    [picture] = world.add(0.9)
    [other] = world.add(0.8)
    with collection.write() as con:
        con.execute(
            "INSERT INTO chunk (content_hash, chunker, kind, ordinal, meta, run_id, modality, "
            "parent, section, text) SELECT content_hash, chunker, 'ocr', 1, '{}', 'run', 'text', "
            "ordinal, '', 'wolf' FROM chunk WHERE chunk_id = ?",
            [picture],
        )
        [(words,)] = con.execute("SELECT max(chunk_id) FROM chunk").fetchall()
    for found in (picture, words):
        [number] = hide(collection, found)
        with collection.read() as con:
            assert set(hidden_chunks(con)) == {picture, words}
        undo(collection, number)
    hide(collection, other)
    with collection.read() as con:
        assert hidden_chunks(con) == (other,)


def test_words_neither_find_nor_surround_what_is_hidden(world: World) -> None:
    text = {"modality": "text", "kind": "passage"}
    [first] = world.add(0.1, text="a grey wolf", **text)
    [second] = world.add(0.2, text="a white wolf", **text)
    collection = world.collection
    with collection.write() as con:
        con.execute(
            "UPDATE chunk SET content_hash = (SELECT content_hash FROM chunk WHERE chunk_id = "
            "$first), ordinal = 1 WHERE chunk_id = $second",
            {"first": first, "second": second},
        )
    count_words(collection)
    name_languages(collection)
    [number] = hide(collection, second)
    with collection.read() as con:
        assert match(con, "wolf", where_in(con, [])).chunk_ids.tolist() == [first]
        assert surroundings(con, [first], 2)[first].after == []
    undo(collection, number)
    with collection.read() as con:
        assert match(con, "wolf", where_in(con, [])).chunk_ids.tolist() == [first, second]
        assert [n.text for n in surroundings(con, [first], 2)[first].after] == ["a white wolf"]


def test_the_policy_decides_where_the_reviewer_does_not(found: World) -> None:
    with found.collection.write() as con:
        by_policy = reviews.decide(con, 1, "violates", ANN)
        by_reviewer = reviews.decide(con, 2, "violates", ANN, hide=True)
        allowed = reviews.decide(con, 3, "allowed", ANN, hide=True)
    assert [f.is_hidden for f in (by_policy, by_reviewer, allowed)] == [False, True, False]
    found.moderate(policy(**{"severity: high": "action: hide\nthresholds: {review: 2, first: 9}"}))
    with found.collection.write() as con:
        hidden = reviews.decide(con, 4, "violates", ANN)
        shown = reviews.decide(con, 5, "violates", ANN, hide=False)
    assert [f.is_hidden for f in (hidden, shown)] == [True, False]


def test_saved_search_is_not_told_of_what_is_hidden(near: tuple[World, list[int]]) -> None:
    world, (*_, first) = near
    from crossmodal.ledger.read.filters import narrowed

    hide(world.collection, first)
    with world.collection.read() as con:
        where = narrowed(where_in(con, ["type=image/*"]), "size_bytes >= $least", {"least": 0})
        request = SearchRequest(
            VectorList(world.model, "image"), leaning(1.0, 1), k=100, where=where
        )
        assert first not in {hit.chunk_id for hit in find(con, request).hits}


def test_a_file_that_is_cut_anew_stays_hidden(found: World) -> None:
    collection = found.collection
    with collection.write() as con:
        decided = reviews.decide(con, 1, "violates", ANN, hide=True)
        assert hidden_chunks(con) == (decided.chunk_id,)
        # As when a rule changes: the same content under another chunker, with other numbers.
        con.execute(
            "INSERT INTO chunk (content_hash, chunker, kind, ordinal, meta, run_id, modality, "
            "parent, section, text) SELECT content_hash, 'other/2', kind, ordinal, meta, run_id, "
            "modality, parent, section, text FROM chunk WHERE chunk_id IN (?, 1)",
            [decided.chunk_id],
        )
        con.execute("DELETE FROM chunk WHERE chunk_id = ?", [decided.chunk_id])
        [(again,)] = con.execute(
            "SELECT chunk_id FROM chunk JOIN source USING (content_hash) "
            "WHERE chunker = 'other/2' AND uri = ?",
            [decided.uri],
        ).fetchall()
        assert hidden_chunks(con) == (again,)
        reviews.undo(con, 1, ANN)
        assert hidden_chunks(con) == ()
