"""What people said moves the merits from which hits are strong and likely; a little does not."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossmodal.errors import EvaluationError
from crossmodal.evaluation.fit_limits import MIN_JUDGED, Judged, fit_limits, lowest_merit
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.status import status
from crossmodal.ledger.write.judgements import Judgement, put_judgement
from crossmodal.ledger.write.strength_limits import all_limits, drop_limits, limits_for
from crossmodal.records import Hit
from crossmodal.search.options import QueryOptions
from crossmodal.search.service import Query, SearchService
from crossmodal.search.strength import BY_CHANCE, limits_of
from crossmodal.vectors.calibration.probe_bank import REVISION
from crossmodal.views.status import status_tables
from tests.evaluation.conftest import Album, album, other_clip

__all__ = ["album", "other_clip"]

TEXTS = [f"a drawing of {number} discs and a bar" for number in range(24)]


@pytest.fixture
def own(tmp_path: Path, album: Album) -> Collection:
    return Collection(Path(shutil.copy(album.collection, tmp_path / "own.duckdb")))


def found(collection: Collection, texts: list[str], k: int = 12) -> dict[str, list[Hit]]:
    options = QueryOptions(collection=str(collection.path), k=k, device="cpu")
    answers = SearchService(collection).ask_many([Query(text=text) for text in texts], options)
    return {text: answer.hits for text, answer in zip(texts, answers, strict=True)}


def judge(collection: Collection, hits: dict[str, list[Hit]], limit: float) -> int:
    """Say that hits fit whose merit reaches a limit, and return how many were judged."""
    with collection.write() as con:
        for text, of_text in hits.items():
            for hit in of_text:
                said: dict[str, Any] = {"model": "m", "rank": hit.rank, "chunk_id": hit.chunk_id}
                fits = (hit.merit or 0.0) >= limit
                put_judgement(con, Judgement(query_kind="text", query=text, fits=fits, **said))
    return sum(map(len, hits.values()))


def limits(collection: Collection) -> Any:
    with collection.read() as con:
        (kept,) = all_limits(con)
        return kept


def test_judgements_move_what_is_called_strong_and_likely(own: Collection) -> None:
    hits = found(own, TEXTS)
    merits = np.array([hit.merit for of_text in hits.values() for hit in of_text], np.float64)
    middle = float(np.median(merits))
    num = judge(own, hits, middle)
    fitted = fit_limits(own, device="cpu")
    assert (fitted.num_judged, fitted.num_queries) == (num, len(TEXTS))
    assert fitted.strong is not None
    assert fitted.likely is not None
    assert fitted.likely <= fitted.strong <= middle + 0.5
    assert fitted.strong != BY_CHANCE.strong
    called = [hit for of_text in found(own, TEXTS).values() for hit in of_text]
    strong = [hit for hit in called if hit.strength == "strong"]
    assert [hit.strength for hit in called] == [
        "strong" if h.merit >= fitted.strong else "likely" if h.merit >= fitted.likely else "weak"
        for h in called
        if h.merit is not None
    ]
    assert np.mean([(hit.merit or 0) >= middle for hit in strong]) >= 0.9
    with own.read() as con:
        told = "\n".join(table.to_text() for table in status_tables(status(con, own)))
    assert "strong from merit" in told


def test_too_few_judgements_change_nothing(own: Collection) -> None:
    few = judge(own, found(own, TEXTS[:12], k=4), -99.0)
    assert few < MIN_JUDGED
    with pytest.raises(EvaluationError, match=f"{few} judged hits of 12 queries are too few"):
        fit_limits(own, device="cpu")
    judge(own, found(own, TEXTS[:6], k=12), -99.0)
    with pytest.raises(EvaluationError, match="of 12 queries are too few"):
        fit_limits(own, device="cpu")
    with own.read() as con:
        assert all_limits(con) == []
        told = "\n".join(table.to_text() for table in status_tables(status(con, own)))
    assert "by chance alone" in told


def test_limits_of_another_line_up_or_calibration_do_not_count(own: Collection) -> None:
    judge(own, found(own, TEXTS), 0.0)
    kept = fit_limits(own, device="cpu")
    with own.write() as con:
        assert limits_for(con, kept.versions, REVISION) == kept
        assert limits_for(con, kept.versions, "another") is None
        assert limits_for(con, {*kept.versions, 99}, REVISION) is None
        assert drop_limits(con) == 1
        assert limits_of(con, []) == BY_CHANCE


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, float("nan")])
def test_a_precision_that_is_no_share_is_refused(own: Collection, share: float) -> None:
    with pytest.raises(EvaluationError, match="shares above 0 and below 1"):
        fit_limits(own, {"strong": share, "likely": 0.5})


def drawn(rng: np.random.Generator, num: int) -> list[Judged]:
    """Return hits that fit the oftener the higher their merit is: half of them at merit 3."""
    merits = rng.uniform(-3, 10, num)
    fits = rng.random(num) < 1 / (1 + np.exp(3 - merits))
    return [
        Judged(("text", str(n)), *pair) for n, pair in enumerate(zip(merits, fits, strict=True))
    ]


@pytest.mark.parametrize("precision", [0.5, 0.9])
def test_hits_that_did_not_fit_the_limits_keep_the_precision(precision: float) -> None:
    rng, kept = np.random.default_rng(6), 0
    for _ in range(40):
        lowest = lowest_merit(drawn(rng, 300), precision)
        assert lowest is not None
        others = [each.fits for each in drawn(rng, 4000) if each.merit >= lowest]
        kept += np.mean(others) >= precision
    assert kept >= 36


def test_where_nothing_holds_the_precision_there_is_no_limit() -> None:
    poor = [Judged(("text", str(n)), float(n), n % 2 == 0) for n in range(80)]
    assert lowest_merit(poor, 0.9) is None
    assert lowest_merit([], 0.5) is None
    tied = [Judged(("text", str(n)), 1.0, n < 40) for n in range(80)]
    assert lowest_merit(tied, 0.6) is None, "hits of one merit are called alike"
