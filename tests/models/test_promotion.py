from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crossmodal.errors import CollectionEmpty, CollectionMissing, ModelMismatch
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions
from crossmodal.models.promotion import promote, promote_in
from crossmodal.records import Lineup
from tests.ledger import build
from tests.ledger.build import commit, planned

NUM = 40


@pytest.fixture
def lineup(con: Any) -> Lineup:
    """Return the live line-up of forty pictures, with nothing built beside it."""
    live = model_versions.register_lineup(con, Lineup.of(build.version()))
    commit(con, live.joint, *(planned(f"/p/{i}", str(i)) for i in range(NUM)))
    return live


def build_beside(con: Any, name: str, num: int) -> None:
    other = model_versions.register(con, build.version(name))
    commit(con, other, *(planned(f"/p/{i}", str(i)) for i in range(num)))


def test_a_whole_successor_becomes_live_for_pictures_and_texts(con: Any, lineup: Lineup) -> None:
    build_beside(con, "successor", NUM)
    change = promote(con, {"image": "successor"})
    live = model_versions.live(con)
    assert live is not None
    assert {version.name for version in live.serving.values()} == {"successor"}
    assert change.before["image"] == lineup.label
    assert change.vectors == {"image": NUM, "text": 0}


def test_an_unfinished_successor_waits_unless_insisted(con: Any, lineup: Lineup) -> None:
    build_beside(con, "successor", NUM // 2)
    with pytest.raises(ModelMismatch, match=r"20 image vectors, the live version 40.*backfill"):
        promote(con, {"image": "successor"})
    assert model_versions.live(con) == lineup
    promote(con, {"image": "successor"}, allow_partial=True)
    assert model_versions.live(con) != lineup


def test_an_encoder_for_passages_takes_over_the_texts_alone(con: Any, lineup: Lineup) -> None:
    model_versions.register(con, replace(build.version("sentences"), encoders={"text": "sentence"}))
    promote(con, {"text": "sentences"})
    live = model_versions.live(con)
    assert live is not None
    assert {m: v.name for m, v in live.serving.items()} == {"image": "tiny", "text": "sentences"}


def test_a_version_that_cannot_serve_the_modality_is_refused(con: Any, lineup: Lineup) -> None:
    model_versions.register(con, replace(build.version("sentences"), encoders={"text": "sentence"}))
    with pytest.raises(ModelMismatch, match="'sentences' of this collection serves image"):
        promote(con, {"image": "sentences"})


def test_a_missing_collection_is_told_of_and_not_made(tmp_path: Path) -> None:
    missing = Collection(tmp_path / "none.duckdb")
    with pytest.raises(CollectionMissing):
        promote_in(missing, {"image": "tiny"})
    assert not missing.exists


def test_without_a_live_line_up_there_is_nothing_to_replace(con: Any) -> None:
    with pytest.raises(CollectionEmpty, match="crossmodal index"):
        promote(con, {"image": "tiny"})
