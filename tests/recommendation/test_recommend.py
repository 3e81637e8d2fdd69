"""Recommend from a real DuckDB file whose vectors are known; no model is loaded."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crossmodal.errors import CollectionMissing, FilterError, ModelMismatch, PathError
from crossmodal.ledger.collection import Collection
from crossmodal.pictures.colour_histogram import colours_of
from crossmodal.recommendation.diversity import mean_distance
from crossmodal.recommendation.options import RecommendOptions
from crossmodal.recommendation.recommend import recommend
from crossmodal.recommendation.recommendation import Recommendation
from crossmodal.recommendation.scoring import STRATEGIES
from tests.ledger import build
from tests.recommendation.conftest import vector_of


def asked(kinds: Path, **changes: Any) -> Recommendation:
    return recommend(RecommendOptions(collection=str(kinds), **changes))


def kinds_of(found: Recommendation) -> list[str]:
    return [hit.uri.split("/")[1] for hit in found.hits]


def pictures(kind: str, *numbers: int) -> list[str]:
    return [f"/{kind}s/{number}.jpg" for number in numbers]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_likes_bring_their_like_and_dislikes_keep_theirs_away(kinds: Path, strategy: str) -> None:
    likes, dislikes = pictures("apple", 0, 1, 2), pictures("boat", 0, 1, 2)
    found = asked(kinds, likes=likes, dislikes=dislikes, strategy=strategy)
    assert kinds_of(found) == ["apples"] * 10
    assert [hit.rank for hit in found.hits] == list(range(1, 11))


@pytest.fixture(scope="module")
def coloured(kinds: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the collection with every second picture red, the others blue."""
    copy = tmp_path_factory.mktemp("coloured") / "coloured.duckdb"
    shutil.copy(kinds, copy)
    red, blue = (colours_of(Image.new("RGB", (8, 8), name)) for name in ("red", "blue"))
    with Collection(copy).write() as con:
        con.execute(
            "UPDATE chunk SET meta = json_object('colours', CASE WHEN chunk_id % 2 = 0 THEN $red "
            "ELSE $blue END) WHERE kind = 'image'",
            {"red": red, "blue": blue},
        )
    return copy


def apples(coloured: Path, *, red: bool) -> list[str]:
    sql = (
        "SELECT s.uri FROM chunk c JOIN source s USING (content_hash) "
        f"WHERE s.uri LIKE '/apples/%.jpg' AND chunk_id % 2 = {int(not red)} ORDER BY s.uri"
    )
    with Collection(coloured).read() as con:
        return build.column(con, sql)


def test_of_pictures_that_show_the_same_those_of_the_likes_colour_come_first_where_colours_count(
    coloured: Path,
) -> None:
    names = apples(coloured, red=True)
    likes, rest = names[:3], set(names[3:])
    taste: dict[str, Any] = {"likes": likes, "k": len(rest), "modalities": ("image",)}
    assert {hit.uri for hit in asked(coloured, colours=1.0, **taste).hits} == rest
    assert {hit.uri for hit in asked(coloured, **taste).hits} != rest


def test_colours_count_by_themselves_where_three_likes_and_three_dislikes_differ_in_them(
    coloured: Path,
) -> None:
    reds, blues = apples(coloured, red=True), apples(coloured, red=False)
    taste: dict[str, Any] = {"likes": reds[:3], "k": len(reds) - 3, "modalities": ("image",)}
    found = asked(coloured, dislikes=blues[:3], **taste)
    assert {hit.uri for hit in found.hits} == set(reds[3:])
    assert found.notices[0].startswith("Colours count here")
    for others in ({"colours": 0.0}, {"strategy": "best"}, {"dislikes": blues[:2]}):
        left = asked(coloured, **{"dislikes": blues[:3], **taste, **others})
        assert {hit.uri for hit in left.hits} != set(reds[3:])
        assert left.notices == []


def test_colours_do_not_count_by_themselves_where_what_is_seen_tells_likes_from_dislikes(
    coloured: Path,
) -> None:
    reds = apples(coloured, red=True)
    found = asked(coloured, likes=reds[:3], dislikes=pictures("boat", 1, 3, 5))
    assert found.notices == []
    assert kinds_of(found) == ["apples"] * 10


def test_examples_never_come_back(kinds: Path) -> None:
    likes = pictures("apple", *range(15))
    found = asked(kinds, likes=likes, dislikes=pictures("cat", 0), k=60)
    assert not {hit.uri for hit in found.hits} & {*likes, "/cats/0.jpg"}


def test_each_recommendation_names_the_like_it_is_nearest_to(kinds: Path) -> None:
    likes = [*pictures("apple", 0), *pictures("boat", 0)]
    found = asked(kinds, likes=likes, k=20)
    assert set(kinds_of(found)) == {"apples", "boats"}
    assert all(each.because.split("/")[1] in each.hit.uri for each in found.found)


def test_dislikes_alone_show_what_is_unlike_them(kinds: Path) -> None:
    found = asked(kinds, dislikes=pictures("apple", 0, 1, 2, 3))
    assert len(found.hits) == 10
    assert "apples" not in kinds_of(found)


def test_without_examples_a_sample_shows_every_kind(kinds: Path) -> None:
    found = asked(kinds, k=8)
    assert set(kinds_of(found)) == {"apples", "boats", "cats"}
    assert {hit.modality for hit in found.hits} == {"image", "text"}


def test_a_filter_holds_for_samples_and_recommendations(kinds: Path) -> None:
    for likes in ([], pictures("apple", 0)):
        found = asked(kinds, likes=likes, where=["path=/cats/*"])
        assert set(kinds_of(found)) == {"cats"}


def test_only_the_modalities_that_are_asked_for_come(kinds: Path) -> None:
    found = asked(kinds, likes=["/apples/0.txt"], modalities=("image",))
    assert {hit.modality for hit in found.hits} == {"image"}
    assert kinds_of(found) == ["apples"] * 10


def test_likes_of_two_modalities_bring_both(kinds: Path) -> None:
    found = asked(kinds, likes=["/apples/0.txt", "/apples/0.jpg"])
    assert kinds_of(found) == ["apples"] * 10
    assert {hit.modality for hit in found.hits} == {"image", "text"}


def test_the_last_like_of_a_session_outweighs_the_first(kinds: Path) -> None:
    likes = [*pictures("apple", 0), *pictures("boat", 0), *pictures("cat", 0)]
    first = kinds_of(asked(kinds, likes=likes, session=True, modalities=("image",)))
    assert first.count("cats") > 7
    back = kinds_of(asked(kinds, likes=likes[::-1], session=True, modalities=("image",)))
    assert back.count("apples") > 7


def test_a_bare_vector_and_a_chunk_id_are_examples_too(kinds: Path) -> None:
    by_vector = asked(kinds, likes=[vector_of("boat", 3)], modalities=("image",))
    by_path = asked(kinds, likes=pictures("boat", 3), modalities=("image",))
    assert [hit.uri for hit in by_vector.hits] == [hit.uri for hit in by_path.hits]
    chunk_id = by_path.hits[0].chunk_id
    assert kinds_of(asked(kinds, likes=[str(chunk_id)])) == ["boats"] * 10


def test_diversity_spreads_the_answer_and_keeps_the_best_first(kinds: Path) -> None:
    taste: dict[str, Any] = {"likes": pictures("apple", 0, 1, 2), "modalities": ("image",)}
    plain, varied = (asked(kinds, **taste, k=6, diversity=each) for each in (0.0, 0.9))
    assert varied.hits[0].uri == plain.hits[0].uri
    assert distance_within(varied) > 1.1 * distance_within(plain)


def distance_within(found: Recommendation) -> float:
    names = [Path(hit.uri) for hit in found.hits]
    vectors = [vector_of(name.parent.name.rstrip("s"), int(name.stem)) for name in names]
    return mean_distance(np.stack(vectors))


def test_a_profile_is_kept_and_asks_again(kinds: Path, tmp_path: Path) -> None:
    mine = Path(shutil.copy(kinds, tmp_path / "mine.duckdb"))
    first = asked(mine, likes=pictures("cat", 0), dislikes=pictures("boat", 1), save="Ann")
    again = asked(mine, profile="Ann")
    assert [hit.uri for hit in again.hits] == [hit.uri for hit in first.hits]
    more = asked(mine, profile="Ann", dislikes=pictures("cat", 0), likes=pictures("boat", 1))
    assert kinds_of(more)[0] == "boats"


def test_what_a_profile_likes_and_is_gone_costs_a_notice_only(kinds: Path, tmp_path: Path) -> None:
    mine = Path(shutil.copy(kinds, tmp_path / "mine.duckdb"))
    asked(mine, likes=[*pictures("cat", 0), *pictures("boat", 0)], save="Ann")
    with Collection(mine).write() as con:
        con.execute("DELETE FROM source WHERE uri = '/boats/0.jpg'")
    found = asked(mine, profile="Ann")
    assert set(kinds_of(found)) == {"cats"}
    assert "of profile Ann: /boats/0.jpg is neither in the collection" in found.notices[0]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"likes": ["999999"]}, PathError, "there is no chunk 999999"),
        ({"likes": ["9" * 40]}, PathError, "there is no chunk"),
        ({"likes": ["/nowhere/x.jpg"]}, PathError, "neither in the collection nor a file"),
        ({"likes": [np.ones(3, np.float32)]}, ModelMismatch, "16 dimensions"),
        ({"likes": [np.zeros(16, np.float32)]}, ModelMismatch, "no direction"),
        ({"profile": "Bob"}, FilterError, "no profile 'Bob'.*none yet"),
        ({"save": " \n"}, FilterError, "cannot be called"),
        ({"strategy": "magic"}, FilterError, "spread, best, sum, average"),
        ({"diversity": 1.5}, FilterError, "between 0 and 1"),
        ({"colours": -0.1}, FilterError, "between 0 and 1"),
        ({"colours": 0.5, "strategy": "sum"}, FilterError, "with the strategy spread"),
        ({"k": 0}, FilterError, "at least 1"),
        ({"where": ["colour=red"]}, FilterError, "no field or column 'colour'"),
    ],
)
def test_what_cannot_be_understood_is_said_in_a_sentence(
    kinds: Path, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        asked(kinds, **changes)


def test_no_collection_is_made_by_asking(tmp_path: Path) -> None:
    with pytest.raises(CollectionMissing):
        asked(tmp_path / "none.duckdb", save="Ann")
    assert not (tmp_path / "none.duckdb").exists()
