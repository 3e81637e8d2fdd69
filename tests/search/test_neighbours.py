"""Pictures of documents are found by the passages that they stand in, where that is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions, shard_writer
from crossmodal.models.lineup import choose_lineup
from crossmodal.models.options import LineupSpec, ModelSpec
from crossmodal.records import Hit
from crossmodal.search.options import QueryOptions
from crossmodal.search.service import Query, SearchService
from tests.ledger import build

NUM = 40
ASKED = Query(text="zebra17")
"""A word of one document's passage alone; random vectors know nothing of it."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, tiny_clip: Path) -> Collection:
    """Return documents of a passage, its figure, and a passage of other words after that."""
    collection = Collection(tmp_path_factory.mktemp("neighbours") / "c.duckdb")
    lineup = choose_lineup(collection, LineupSpec(joint=ModelSpec(str(tiny_clip))), "float32")
    draw = np.random.default_rng(5)
    with collection.write() as con:
        lineup = model_versions.register_lineup(con, lineup)
        rows = [build.planned(f"/reports/{i}", f"content {i}") for i in range(NUM)]
        vectors = [
            build.vector_row(row, build.unit(*draw.normal(size=lineup.joint.dim)), **of)
            for i, row in enumerate(rows)
            for of in (
                {"ordinal": 0, "modality": "text", "kind": "passage", "text": f"zebra{i} runs"},
                {"ordinal": 1, "modality": "image", "kind": "figure", "parent": 0},
                {"ordinal": 2, "modality": "text", "kind": "passage", "text": f"okapi{i} rests"},
            )
        ]
        shard_writer.commit_shard(con, build.shard(lineup, build.plan(*rows), vectors))
    return collection


@pytest.fixture
def options(filled: Collection) -> QueryOptions:
    return QueryOptions(
        collection=str(filled.path), device="cpu", modalities=("image",), neighbours=1.0
    )


def hits(filled: Collection, options: QueryOptions, query: Query = ASKED) -> list[Hit]:
    return SearchService(filled).ask(query, options).hits


def test_figure_is_found_by_the_passage_that_it_stands_in(
    filled: Collection, options: QueryOptions
) -> None:
    assert hits(filled, options)[0].uri == "/reports/17"
    assert hits(filled, replace(options, neighbours=0.0))[0].uri != "/reports/17"


@pytest.mark.parametrize(("word", "cost"), [("zebra17", 0.0), ("okapi17", np.log(4))])
def test_passage_beside_lends_less_than_the_own_one(
    filled: Collection, options: QueryOptions, word: str, cost: float
) -> None:
    passage = hits(filled, replace(options, modalities=("text",), neighbours=0.0), Query(text=word))
    figure = hits(filled, options, Query(text=word))
    assert passage[0].merit is not None
    assert figure[0].merit == pytest.approx(passage[0].merit - cost)


def test_only_what_was_asked_for_comes_back(filled: Collection, options: QueryOptions) -> None:
    assert {hit.modality for hit in hits(filled, options)} == {"image"}
    everything = hits(filled, replace(options, modalities=(), group=False))
    assert {(hit.uri, hit.modality) for hit in everything[:2]} == {
        ("/reports/17", "image"),
        ("/reports/17", "text"),
    }


def test_filter_holds_for_what_joins(filled: Collection, options: QueryOptions) -> None:
    found = hits(filled, replace(options, where=["path=/reports/3*"]))
    assert found
    assert all(hit.uri.startswith("/reports/3") for hit in found)


def test_weak_edge_leaves_the_ranking_as_it_is(filled: Collection, options: QueryOptions) -> None:
    alone = hits(filled, replace(options, neighbours=0.0))
    assert [h.uri for h in hits(filled, replace(options, neighbours=1e-9))] == [
        h.uri for h in alone
    ]


def test_many_queries_get_what_each_gets_alone(filled: Collection, options: QueryOptions) -> None:
    queries = [Query(text=f"zebra{number}") for number in (3, 17, 30)]
    together = list(SearchService(filled).ask_many(queries, options))
    for query, found in zip(queries, together, strict=True):
        assert [h.chunk_id for h in found.hits] == [
            h.chunk_id for h in hits(filled, options, query)
        ]
