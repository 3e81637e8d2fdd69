"""A collection keeps a reranker for a pair only where a set shows that it wins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from crossmodal.encoders.rerankers.reranker import Floats, Side
from crossmodal.errors import EvaluationError, GateMissed
from crossmodal.evaluation import choose_reranker
from crossmodal.evaluation.choose_reranker import (
    RerankerSpec,
    drop_reranker,
    kept_rerankers,
    set_reranker,
)
from crossmodal.search import reranking
from crossmodal.search.options import QueryOptions
from crossmodal.search.service import Query, SearchService
from tests.search.test_service import NUM, fill


class Numbers:
    """Know that the question q31 is answered by the text that ends in 31, or the opposite."""

    label, fingerprint, side_px, batch = "numbers", "numbers-1", 0, 16
    pairs = frozenset({("text", "text")})
    sign = 1.0

    def scores(self, query: Side, candidates: Sequence[Side]) -> Floats:
        right = [side.text.split()[-1] == query.text[1:] for side in candidates]
        return self.sign * np.array(right, np.float32)


@pytest.fixture
def numbers(monkeypatch: pytest.MonkeyPatch) -> Numbers:
    made = Numbers()
    for room in (reranking, choose_reranker):
        monkeypatch.setattr(room, "load_reranker", lambda model, device: made)
    reranking._VERDICTS.clear()
    return made


@pytest.fixture
def spec(tmp_path: Path, tiny_clip: Path) -> RerankerSpec:
    collection = fill(tmp_path / "c.duckdb", tiny_clip)
    with collection.write() as con:
        con.execute("UPDATE source SET media_type = 'text/plain'")
    judged = tmp_path / "set"
    judged.mkdir()
    numbers = range(NUM, 2 * NUM)
    (judged / "queries.tsv").write_text("\n".join(f"{i}\tq{i}" for i in numbers))
    (judged / "qrels.txt").write_text("\n".join(f"{i} 0 /things/{i} 1" for i in numbers))
    return RerankerSpec(
        collection=str(collection.path),
        model="numbers",
        pair="text->passage",
        set_path=str(judged),
        device="cpu",
    )


def test_a_reranker_that_wins_is_kept_and_used_until_it_is_dropped(
    spec: RerankerSpec, numbers: Numbers
) -> None:
    kept = set_reranker(spec)
    assert kept["after"] == pytest.approx(1.0)
    assert kept["change"][1] > 0
    assert kept_rerankers(spec.collection)["pairs"]["text->passage"]["label"] == "numbers"
    plain = QueryOptions(collection=spec.collection, device="cpu")
    asked = SearchService(choose_reranker.Collection(spec.collection))
    assert asked.ask(Query(text="q40"), plain).reranked_by == "numbers"
    assert drop_reranker(spec.collection, spec.pair)
    assert not drop_reranker(spec.collection, spec.pair)
    assert asked.ask(Query(text="q41"), plain).reranked_by == ""


def test_a_reranker_that_does_not_win_stays_off(spec: RerankerSpec, numbers: Numbers) -> None:
    numbers.sign = -1.0
    with pytest.raises(GateMissed, match="is not shown to be better at text->passage"):
        set_reranker(spec)
    assert kept_rerankers(spec.collection)["pairs"] == {}


def test_a_pair_that_no_reranker_reads_is_refused(spec: RerankerSpec) -> None:
    with pytest.raises(EvaluationError, match="choose one of text->passage, text->image"):
        drop_reranker(spec.collection, "image->image")
