"""Words beside vectors: postings in step with the chunks, part numbers, phrases, modes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossmodal.errors import FilterError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.words.bm25 import Matches, match
from crossmodal.ledger.words.postings import count_words, num_uncounted
from crossmodal.ledger.words.tokens import language_of, name_terms, terms_of
from crossmodal.ledger.write import model_versions, shard_writer
from crossmodal.records import Lineup, ModelVersion, VectorList
from crossmodal.search.merge import ListHits, WordedList, with_words
from crossmodal.search.options import QueryOptions
from crossmodal.search.service import Query, SearchService
from crossmodal.search.words import Words, phrases_of, unquoted
from crossmodal.vectors.calibration.merit import MeritOf, Table
from crossmodal.vectors.search import SearchRequest, hits_of
from tests.ledger import build

TEXTS = {
    "/parts/pumps.txt": "The pump AX-4711/B is sealed with two rings of rubber.",
    "/parts/valves.txt": "The valve AX-4712/B opens at three bars.",
    "/parts/boats.txt": "Boats were moored in the old harbour of the town.",
    "/de/häfen.txt": "Die Häuser stehen am Hafen und die Boote sind nicht mit dem Netz verbunden.",
    "/parts/harbour-map.txt": "A drawing of quays.",
}


def write(collection: Collection, texts: dict[str, str], **changes: str) -> ModelVersion:
    with collection.write() as con:
        model = build.version()
        model = model_versions.register_lineup(con, Lineup.of(model)).joint
        rows = [build.planned(uri, text, **changes) for uri, text in texts.items()]
        draw = np.random.default_rng(3)
        cut = [
            build.vector_row(
                row, build.unit(*draw.normal(size=4)), modality="text", text=texts[row["uri"]]
            )
            for row in rows
        ]
        shard_writer.commit_shard(con, build.shard(model, build.plan(*rows), cut))
    return model


def settle(collection: Collection, model: ModelVersion, *rows: dict[str, object]) -> None:
    with collection.write() as con:
        shard_writer.apply_plan(con, build.plan(*rows), "run", Lineup.of(model))


@pytest.fixture
def filled(tmp_path: Path) -> Collection:
    collection = Collection(tmp_path / "c.duckdb")
    write(collection, TEXTS)
    with collection.write() as con:
        live = model_versions.all_versions(con)[0]
        model_versions.set_live(con, Lineup.of(live))
    return collection


@pytest.fixture
def words(filled: Collection) -> QueryOptions:
    return QueryOptions(collection=str(filled.path), mode="words")


def found(collection: Collection, options: QueryOptions, text: str) -> list[str]:
    return [hit.uri for hit in SearchService(collection).ask(Query(text=text), options).hits]


def held(collection: Collection) -> tuple[list[object], list[object]]:
    """Return every posting and every name, whatever the numbers of their chunks."""
    with collection.read() as con:
        return (
            con.execute(
                "SELECT content_hash, ordinal, term, tf, num_words FROM posting "
                "JOIN chunk USING (chunk_id) ORDER BY ALL"
            ).fetchall(),
            con.execute("SELECT uri, terms FROM source_words ORDER BY ALL").fetchall(),
        )


def test_an_exact_part_number_is_first(filled: Collection, words: QueryOptions) -> None:
    assert found(filled, words, "AX-4711/B")[0] == "/parts/pumps.txt"
    assert found(filled, words, "ax-4712/b")[0] == "/parts/valves.txt"


def test_words_are_found_by_their_stem_in_each_language(
    filled: Collection, words: QueryOptions
) -> None:
    assert found(filled, words, "mooring a boat")[0] == "/parts/boats.txt"
    assert found(filled, words, "Haus")[:1] == found(filled, words, "Häuser")[:1]


def test_a_file_name_counts(filled: Collection, words: QueryOptions) -> None:
    assert found(filled, words, "map")[0] == "/parts/harbour-map.txt"


def test_quotes_ask_for_the_exact_phrase(filled: Collection, words: QueryOptions) -> None:
    assert found(filled, words, '"old   Harbour of"') == ["/parts/boats.txt"]
    answer = SearchService(filled).ask(Query(text='"harbour old"'), words)
    assert "without the quotes" in answer.notices[0]


def test_only_words_need_a_text(filled: Collection, words: QueryOptions) -> None:
    with pytest.raises(FilterError, match="no words to look for"):
        SearchService(filled).ask(Query(chunk_id=1), words)


def test_a_filter_and_pages_hold_for_words(filled: Collection, words: QueryOptions) -> None:
    everything = found(filled, words, "the AX-4711/B valve harbour")
    assert [
        uri
        for i in range(len(everything))
        for uri in found(filled, replace(words, k=1, offset=i), "the AX-4711/B valve harbour")
    ] == everything
    assert found(filled, replace(words, where=["path=/de/*"]), "harbour Hafen") == ["/de/häfen.txt"]


def test_words_alone_load_no_model(filled: Collection) -> None:
    code = (
        "import sys\nfrom crossmodal.search.service import answer\n"
        "from crossmodal.search.options import QueryOptions\n"
        f"found = answer(QueryOptions(collection={str(filled.path)!r}, mode='words'), "
        "['pump'], [])\n"
        "assert found[0].hits and 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_after_add_change_rename_and_delete_the_words_are_those_of_a_rebuild(
    filled: Collection, tmp_path: Path
) -> None:
    changed = {"/parts/pumps.txt": "Now of a compressor.", "/parts/new.txt": "Something new."}
    model = write(filled, changed, action="changed")
    boats = TEXTS["/parts/boats.txt"]
    settle(
        filled,
        model,
        build.planned("/parts/valves.txt", None, action="deleted", embed=False),
        build.planned(
            "/parts/ships.txt",
            boats,
            action="renamed",
            previous_uri="/parts/boats.txt",
            embed=False,
        ),
    )
    left = {uri: text for uri, text in (TEXTS | changed).items() if uri != "/parts/valves.txt"}
    left["/parts/ships.txt"] = left.pop("/parts/boats.txt")
    rebuilt = Collection(tmp_path / "rebuilt.duckdb")
    write(rebuilt, left)
    assert held(filled) == held(rebuilt)
    with filled.read() as con:
        assert num_uncounted(con) == 0


def test_a_collection_from_before_is_counted_once(filled: Collection) -> None:
    before = held(filled)
    with filled.write() as con:
        for table in ("posting", "worded_chunk", "source_words"):
            con.execute(f"DELETE FROM {table}")
    assert count_words(filled) == 2 * len(TEXTS)
    assert held(filled) == before
    assert count_words(filled) == 0


def test_a_process_killed_while_it_writes_leaves_the_words_of_what_is_there(
    filled: Collection,
) -> None:
    before = held(filled)
    code = (
        "import os\nfrom crossmodal.ledger.collection import Collection\n"
        "from tests.search import test_words\n"
        "from crossmodal.ledger.words import postings\n"
        "put = postings.put_shard_words\n"
        "def die(*given):\n    put(*given)\n    os.kill(os.getpid(), 9)\n"
        "postings.put_shard_words = die\n"
        f"test_words.write(Collection({str(filled.path)!r}), {{'/parts/lost.txt': 'lost'}})"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -9
    assert held(filled) == before


def test_bm25_prefers_the_rarer_word_and_the_shorter_chunk(tmp_path: Path) -> None:
    collection = Collection(tmp_path / "c.duckdb")
    long = "A harbour of which nobody knows how old it may be, nor when its walls were built."
    write(collection, {"/long": long, "/short": "A harbour wall.", "/rare": "A harbour of rubber."})
    with collection.read() as con:
        ids, scores = match(con, "harbour rubber").best(3)
        order = build.column(
            con,
            "SELECT uri FROM chunk JOIN source USING (content_hash) ORDER BY "
            "list_position($1::BIGINT[], chunk_id)",
            ids.tolist(),
        )
    assert order == ["/rare", "/short", "/long"]
    assert (np.diff(scores) < 0).all()


def test_the_best_are_those_of_a_whole_sort_and_ties_stand_by_their_ids() -> None:
    draw = np.random.default_rng(5)
    ids = np.unique(draw.integers(0, 5000, 700))
    found = Matches(ids, draw.integers(1, 9, len(ids)).astype(np.float64))
    whole = ids[np.lexsort((ids, -found.scores))]
    for num in (1, 10, 399, len(ids), len(ids) + 5):
        assert found.best(num)[0].tolist() == whole[:num].tolist()
    assert found.scores_of(np.array([ids[3], 5001])).tolist() == [found.scores[3], 0]


def test_terms_keep_part_numbers_whole_and_stem_the_rest() -> None:
    assert dict(terms_of("Pumps AX-4711/B", "english")) == {
        "pump": 1,
        "ax": 1,
        "4711": 1,
        "b": 1,
        "ax-4711/b": 1,
    }
    assert "harbour" in name_terms("s3://bucket/a/HarbourMap_2024.pdf")
    assert language_of(TEXTS["/de/häfen.txt"]) == "german"
    assert language_of("red car") == "english"


def in_hybrid(filled: Collection, modality: str, text: str) -> tuple[ListHits, ListHits]:
    """Return the chunks as the list of a modality, all equally near, without words and with."""
    table = Table(
        num_vectors=5,
        tail_start=-1.0,
        tail_mean=1.0,
        tail_rate=1.0,
        mean_hub=0.0,
        knots=np.linspace(-1, 1, 9, dtype=np.float32),
    )
    with filled.read() as con:
        held = VectorList(model_versions.all_versions(con)[0], modality)
        ids = np.array(build.column(con, "SELECT chunk_id FROM chunk ORDER BY chunk_id"))
        hits = list(hits_of(con, ids).values())
        even, unknown = np.full(len(hits), 0.3, np.float32), np.full(len(hits), np.nan, np.float32)
        measure = MeritOf(table, len(hits))
        plain = ListHits(hits, even, measure(even, unknown), unknown)
        request = SearchRequest(held, np.ones(4, np.float32))
        worded = WordedList(request, measure, 100, lambda ids: ids * np.nan)
        return plain, with_words(con, plain, worded, Words(match(con, text)))


def test_of_texts_equally_near_the_one_that_shares_words_is_first(filled: Collection) -> None:
    plain, counted = in_hybrid(filled, "text", "moored boats")
    assert plain.merits is not None
    assert counted.merits is not None
    best = counted.hits[int(np.argmax(counted.merits))]
    assert best.uri == "/parts/boats.txt"
    assert counted.merits.max() > plain.merits.max() > counted.merits.min()


def test_a_stray_word_orders_texts_but_lifts_them_no_more_than_it_covers_of_the_question(
    filled: Collection,
) -> None:
    _, whole = in_hybrid(filled, "text", "moored boats")
    plain, stray = in_hybrid(filled, "text", "boats steered by astronauts near distant comets")
    assert plain.merits is not None
    assert whole.merits is not None
    assert stray.merits is not None
    assert stray.hits[int(np.argmax(stray.merits))].uri == "/parts/boats.txt"
    gained, by_all = (found.max() - plain.merits.max() for found in (stray.merits, whole.merits))
    assert 0 < gained < by_all / 2


def test_texts_without_a_word_of_the_question_stay_where_they_are(filled: Collection) -> None:
    plain, counted = in_hybrid(filled, "text", "astronauts near distant comets")
    assert plain.merits is not None
    assert counted.merits is not None
    assert counted.merits.tolist() == pytest.approx(plain.merits.tolist())


def test_words_leave_the_merit_of_pictures_as_it_is(filled: Collection) -> None:
    plain, counted = in_hybrid(filled, "image", "moored boats")
    assert counted is plain


def test_a_quote_within_a_word_begins_no_phrase() -> None:
    assert phrases_of('a "red car" at 5" and 6"') == ["red car"]
    assert unquoted('a "red car"') == "a red car"
    assert unquoted('5" pipe') == '5" pipe'
