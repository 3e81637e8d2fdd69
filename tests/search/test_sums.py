"""Ask with sums of stored vectors through the real service; no model is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossmodal.errors import FilterError, PathError
from crossmodal.ledger.collection import Collection
from crossmodal.search import service
from crossmodal.search.options import QueryOptions
from crossmodal.search.parts import Part
from tests.recommendation.conftest import kinds

__all__ = ["kinds"]


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the calibration out, which would load the model: scores then count as they are."""
    monkeypatch.setattr(service, "calibrate_for_search", lambda *_: None)


@pytest.mark.usefixtures("asking")
def test_a_sum_finds_what_has_both_and_never_its_parts(kinds: Path) -> None:
    options = QueryOptions(collection=str(kinds), k=40, modalities=("image",))
    found = service.SearchService(Collection(kinds)).ask_parts(
        [Part("/apples/0.jpg"), Part("/boats/0.txt"), Part("/cats/0.jpg", -1.0)], options
    )
    uris = [hit.uri for hit in found.hits]
    assert {uri.split("/")[1] for uri in uris[:30]} == {"apples", "boats"}
    assert not {"/apples/0.jpg", "/boats/0.txt", "/cats/0.jpg"} & set(uris)
    assert found.query == '"/apples/0.jpg" + "/boats/0.txt" - "/cats/0.jpg"'


@pytest.mark.usefixtures("asking")
def test_what_cannot_be_asked_is_refused(kinds: Path) -> None:
    options = QueryOptions(collection=str(kinds))
    with pytest.raises(FilterError, match="only take away"):
        service.answer_sum(options, [], [], ["/apples/0.jpg"])
    with pytest.raises(PathError, match="neither in the collection nor a file"):
        service.answer_sum(options, [], ["/nowhere.jpg"], [])
