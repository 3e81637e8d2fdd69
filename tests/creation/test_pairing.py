from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossmodal.creation.pairing import matched, pair, strengths, without_hubs
from crossmodal.errors import FilterError, PathError
from crossmodal.ledger.collection import Collection
from tests.ledger import build
from tests.moderation.hiding import hide
from tests.recommendation.conftest import kinds

__all__ = ["kinds"]


def test_pictures_find_the_texts_of_their_kind_each_once(kinds: Path) -> None:
    found = pair(str(kinds), "/*.jpg", "/*.txt")
    assert len(found.pairs) == 30
    assert {p.one.split("/")[1] == p.other.split("/")[1] for p in found.pairs} == {True}
    assert len({p.one for p in found.pairs}) == len({p.other for p in found.pairs}) == 30
    assert len(found.left_one) == 30
    assert found.left_other == []
    assert [p.strength for p in found.pairs] == sorted(
        (p.strength for p in found.pairs), reverse=True
    )


def test_one_to_many_leaves_nothing_of_the_other_side(kinds: Path) -> None:
    found = pair(str(kinds), "/apples/0.txt", "/apples", "one-to-many")
    assert len(found.pairs) == 30
    assert {p.one for p in found.pairs} == {"/apples/0.txt"}


def test_what_is_not_indexed_cannot_be_paired(kinds: Path) -> None:
    with pytest.raises(PathError, match="nothing at /pears is in the collection"):
        pair(str(kinds), "/pears", "/apples")
    with pytest.raises(FilterError, match="one-to-one or one-to-many"):
        pair(str(kinds), "/apples", "/boats", "two-by-two")  # type: ignore[arg-type]


def test_what_moderation_hides_is_not_paired(kinds: Path) -> None:
    collection = Collection(kinds)
    with collection.read() as con:
        (chunk,) = build.column(
            con,
            "SELECT chunk_id FROM chunk JOIN source USING (content_hash) "
            "WHERE uri = '/apples/0.txt'",
        )
    hide(collection, chunk)
    assert "/apples/0.txt" not in {p.other for p in pair(str(kinds), "/*.jpg", "/*.txt").pairs}


def test_the_best_sum_wins_over_the_best_first_pick() -> None:
    similarities = np.array([[0.9, 0.8], [0.85, 0.1]], np.float32)
    rows, columns = matched(similarities, "one-to-one")
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 1), (1, 0)]


def test_a_hub_does_not_take_the_place_of_a_true_match() -> None:
    rng = np.random.default_rng(7)
    similarities = rng.normal(scale=0.02, size=(20, 20)).astype(np.float32) + 0.3 * np.eye(20)
    similarities[:, 0] += 0.4
    assert (similarities.argmax(axis=1) == 0).all()
    assert without_hubs(similarities.astype(np.float32)).argmax(axis=1).tolist() == list(range(20))


def test_a_clear_pair_is_stronger_than_a_doubtful_one() -> None:
    similarities = np.array([[0.9, 0.0, 0.0], [0.0, 0.5, 0.45], [0.0, 0.45, 0.5]], np.float32)
    found = strengths(similarities)
    assert found[0, 0] > found[1, 1] > found[0, 1]
    assert found.max() <= 1
