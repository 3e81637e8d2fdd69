"""Collections of real pictures and passages whose files are as the ledger says."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions, shard_writer
from crossmodal.models.lineup import choose_lineup
from crossmodal.models.options import LineupSpec, ModelSpec
from crossmodal.search import reranking
from tests import tiny_rerankers as tiny
from tests.drawn import draw_pictures
from tests.ledger import build

NUM = 6


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    reranking._VERDICTS.clear()


@pytest.fixture(scope="session")
def colbert(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.build_colbert(tmp_path_factory.mktemp("colbert") / "colbert"))


@pytest.fixture(scope="session")
def col_qwen2(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.build_col_qwen2(tmp_path_factory.mktemp("pages") / "col-qwen2"))


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    return draw_pictures(tmp_path / "pictures", NUM)


@pytest.fixture
def collection(tmp_path: Path, tiny_clip: Path, pictures: list[Path]) -> Collection:
    """Return six pictures and six passages, under vectors drawn at random."""
    collection = Collection(tmp_path / "c.duckdb")
    lineup = choose_lineup(collection, LineupSpec(joint=ModelSpec(str(tiny_clip))), "float32")
    draw = np.random.default_rng(5)

    def vector_row(row: dict[str, object], **facts: str) -> dict[str, object]:
        return build.vector_row(row, build.unit(*draw.normal(size=lineup.joint.dim)), **facts)

    with collection.write() as con:
        lineup = model_versions.register_lineup(con, lineup)
        shown = [
            build.planned(
                str(path),
                path.name,
                size_bytes=path.stat().st_size,
                mtime_ns=os.stat(path).st_mtime_ns,
            )
            for path in pictures
        ]
        said = [build.planned(f"/texts/{i}", f"text {i}") for i in range(NUM)]
        rows = [vector_row(row, modality="image") for row in shown]
        rows += [
            vector_row(row, modality="text", text=f"a boat of the {i}th harbour")
            for i, row in enumerate(said)
        ]
        shard_writer.commit_shard(con, build.shard(lineup, build.plan(*shown, *said), rows))
    return collection
