"""The weight of captions is chosen by evaluating a copy, which leaves the collection alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.copies import back_up
from crossmodal.ledger.write.model_versions import all_versions, table_of
from crossmodal.records import VectorList
from flows.evaluate import evaluate
from flows.index import index
from tests.chunking.document_makers import epub, picture

pytest.importorskip("ir_measures", reason="crossmodal[evaluate] is not installed")
pytestmark = pytest.mark.usefixtures("prefect")

FIGURES = {"ducks.epub": ("yellow", "A duck, swimming"), "boats.epub": ("blue", "A boat at sea")}


@pytest.fixture
def books(tmp_path: Path) -> Path:
    folder = tmp_path / "books"
    folder.mkdir()
    for name, (colour, caption) in FIGURES.items():
        body = f"<p>One page.</p><figure><img src='../a.png'/><figcaption>{caption}</figcaption>"
        page = f"{body}</figure>"
        (folder / name).write_bytes(epub(page, extra={"OEBPS/a.png": picture(colour)}))
    return folder


@pytest.fixture
def judged(tmp_path: Path, books: Path) -> Path:
    folder = tmp_path / "judged"
    folder.mkdir()
    (folder / "queries.tsv").write_text("1\ta swimming duck\n2\ta boat\n")
    answers = [f"{i} 0 {books / name} 1" for i, name in enumerate(FIGURES, 1)]
    (folder / "qrels.txt").write_text("\n".join(answers))
    return folder


def figures(collection: Path) -> np.ndarray:
    with Collection(collection).read() as con:
        table = table_of(VectorList(all_versions(con)[0], "image"))
        rows = con.execute(f"SELECT v FROM {table} JOIN chunk USING (chunk_id) ORDER BY text")
        return np.array([row[0] for row in rows.fetchall()])


def test_another_caption_weight_is_compared_on_a_copy(
    tmp_path: Path, books: Path, judged: Path, tiny_clip: Path
) -> None:
    own, trial = tmp_path / "own.duckdb", tmp_path / "trial.duckdb"
    index(paths=[str(books)], collection=str(own), model=str(tiny_clip), device="cpu")
    before = evaluate(collection=str(own), set_path=str(judged), device="cpu")
    plain = figures(own)
    back_up(Collection(own), trial)
    index(paths=[str(books)], collection=str(trial), caption_weight=0.5, device="cpu")
    after = evaluate(
        collection=str(trial),
        set_path=str(judged),
        against=before["evaluation_id"],
        device="cpu",
    )
    assert {found["pair"] for found in after["comparison"]["pairs"]} >= {"text->anything"}
    moved = figures(trial)
    assert moved.shape == plain.shape == (2, plain.shape[1])
    assert np.abs(np.einsum("nd,nd->n", moved, plain)).max() < 0.999
    assert np.array_equal(figures(own), plain)
    again = index(paths=[str(books)], collection=str(trial), device="cpu")
    assert again["num_embedded"] == 0
