"""An evaluation asks the product's own search, and scores what it should."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossmodal.errors import CollectionEmpty, EvaluationError, SetOverlaps, SetUnreadable
from crossmodal.evaluation.compare import compare, most_changed
from crossmodal.evaluation.evaluate import Evaluated, EvaluateSpec, evaluate
from crossmodal.evaluation.trec import export
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.evaluation_records import MEASURES, EvaluationRecord, PairResult
from crossmodal.ledger.write import evaluations, model_versions, shard_writer
from crossmodal.models.training_items import (
    record_training_items,
    text_hash,
    write_training_items,
)
from crossmodal.records import Lineup
from crossmodal.search.options import QueryOptions
from crossmodal.search.service import answer
from crossmodal.spaces.add import add_space
from crossmodal.spaces.fit import SpaceSpec
from tests.evaluation.conftest import CAPTIONS_EACH, NUM_PICTURES, Album, embed, load
from tests.ledger.build import plan, planned, shard, vector_row

pytest.importorskip("ir_measures", reason="crossmodal[evaluate] is not installed")


def judge(album: Album, path: Path, model: str | None = None, **changes: Any) -> Evaluated:
    query = QueryOptions(collection=str(album.collection), device="cpu", k=50, model=model)
    return evaluate(EvaluateSpec(set_path=str(path), query=query, **changes))


def pair(record: EvaluationRecord, name: str) -> PairResult:
    return next(found for found in record.pairs if found.pair == name)


def problems(record: EvaluationRecord) -> dict[str, int]:
    return {problem.reason: problem.count for problem in record.problems}


@pytest.fixture(scope="module")
def similarities(album: Album, tiny_clip: Path) -> np.ndarray:
    """Return (captions, pictures) cosines, computed beside the product."""
    encoder = load(tiny_clip)
    from crossmodal.embedding.one_picture import encode_picture

    seen = np.stack([encode_picture(encoder, str(path)) for path in album.pictures])
    asked = [
        encoder.encode_queries([f"drawing {number} seen {side}"])[0]
        for number in range(NUM_PICTURES)
        for side in ("left", "right")
    ]
    return np.asarray(np.stack(asked) @ seen.T, dtype=np.float64)


def ndcg_at_10(ranks: np.ndarray, num_right: int) -> np.ndarray:
    """Return nDCG@10 for (n, right) ranks from 0 of all right answers (Jarvelin, 2002)."""
    gains = np.where(ranks < 10, 1 / np.log2(ranks + 2), 0).sum(axis=1)
    return gains / (1 / np.log2(np.arange(min(num_right, 10)) + 2)).sum()


def test_figures_equal_an_independent_computation_on_what_the_search_finds(
    album: Album, captions: Callable[..., Path]
) -> None:
    record = judge(album, captions(), "1").record
    texts = [f"drawing {n} seen {side}" for n in range(NUM_PICTURES) for side in ("left", "right")]
    options = QueryOptions(
        collection=str(album.collection), device="cpu", k=50, model="1", modalities=("image",)
    )
    uris = [[hit.uri for hit in found.hits] for found in answer(options, texts, [])]
    wanted = [str(picture) for picture in album.pictures for _ in range(CAPTIONS_EACH)]
    first = np.array([found.index(uri) for found, uri in zip(uris, wanted, strict=True)])
    found = {name: e.value for name, e in pair(record, "text->image").measures.items()}
    expected = {f"{name}@{k}": np.mean(first < k) for name in ("hit", "recall") for k in (1, 5, 10)}
    expected |= {
        "MRR@10": np.mean(np.where(first < 10, 1 / (first + 1), 0)),
        "nDCG@10": np.mean(ndcg_at_10(first[:, None], 1)),
        "mAP": np.mean(1 / (first + 1)),
    }
    assert found == pytest.approx(expected, abs=1e-6)
    assert pair(record, "text->image").median_rank == np.median(first) + 1


def test_a_picture_with_two_captions_tells_hit_from_recall(
    album: Album, captions: Callable[..., Path], similarities: np.ndarray
) -> None:
    record = judge(album, captions(), "1").record
    found = pair(record, "image->text").measures
    ranks = np.argsort(np.argsort(-similarities.T, axis=1, kind="stable"), axis=1)
    own = np.stack([ranks[i, [2 * i, 2 * i + 1]] for i in range(NUM_PICTURES)])
    assert found["hit@5"].value == pytest.approx(np.mean(own.min(axis=1) < 5), abs=1e-6)
    assert found["recall@5"].value == pytest.approx(np.mean(own < 5), abs=1e-6)
    assert found["nDCG@10"].value == pytest.approx(np.mean(ndcg_at_10(own, 2)), abs=1e-6)
    assert found["recall@1"].value <= 0.5


def test_gallery_baseline_and_clusters_are_told(
    album: Album, captions: Callable[..., Path]
) -> None:
    found = pair(judge(album, captions(), "1").record, "text->image")
    assert (found.gallery_size, found.num_clusters) == (NUM_PICTURES, NUM_PICTURES)
    assert found.num_queries == NUM_PICTURES * CAPTIONS_EACH
    assert found.measures["recall@10"].random == pytest.approx(10 / NUM_PICTURES)
    assert found.measures["recall@10"].low < found.measures["recall@10"].value


def test_what_is_wrong_with_a_set_is_named_and_counted(
    album: Album, captions: Callable[..., Path]
) -> None:
    picture = str(album.pictures[0])
    path = captions(
        ("/nowhere/else.jpg", "something"), (picture, ""), (picture, "drawing 0 seen left")
    )
    record = judge(album, path, "1").record
    assert problems(record) == {
        "not_indexed": 1,
        "unanswerable_query": 1,
        "empty_query": 1,
        "doubled_query": 1,
    }
    assert pair(record, "text->image").num_queries == NUM_PICTURES * CAPTIONS_EACH


def test_answers_and_pictures_that_no_list_holds_are_counted_and_not_scored(
    album: Album, tiny_clip: Path, other_clip: Path, tmp_path: Path
) -> None:
    collection = Collection(tmp_path / "c.duckdb")
    embed(collection, album.pictures[:6], load(tiny_clip))
    embed(collection, album.pictures[:4], load(other_clip))
    path = tmp_path / "set.csv"
    rows = [f"{picture},drawing {i}" for i, picture in enumerate(album.pictures[:6])]
    path.write_text("\n".join(["path,caption", *rows]))
    record = judge(Album([], collection.path), path, "2").record
    # Two pictures lack a vector: two captions ask for them, in text->image and text->anything.
    assert problems(record) == {
        "answer_not_in_gallery": 4,
        "unanswerable_query": 4,
        "picture_has_no_vector": 2,
    }
    assert {found.num_queries for found in record.pairs} == {4}
    assert pair(record, "text->image").gallery_size == 4


@pytest.fixture
def reader(tmp_path: Path, album: Album, tiny_clip: Path, other_clip: Path) -> Album:
    """Return four pictures under the first version, and two notes that only the second has."""
    collection, encoder = Collection(tmp_path / "c.duckdb"), load(other_clip)
    embed(collection, album.pictures[:4], load(tiny_clip))
    texts = {str(tmp_path / f"{name}.md"): f"about {name}" for name in ("cats", "dogs")}
    rows = [planned(path, path, media_type="text/markdown") for path in texts]
    vectors = encoder.encode_queries(list(texts.values()))
    chunks = [
        vector_row(row, vector, kind="passage", modality="text", text=text)
        for row, vector, text in zip(rows, vectors, texts.values(), strict=True)
    ]
    with collection.write() as con:
        lineup = Lineup.of(model_versions.register(con, encoder.version))
        shard_writer.commit_shard(con, shard(lineup, plan(*rows), chunks))
    return Album(album.pictures[:4], collection.path)


def test_pairs_that_no_list_of_the_version_can_answer_are_named(
    reader: Album, tmp_path: Path
) -> None:
    named = [*map(str, reader.pictures), str(tmp_path / "cats.md"), str(tmp_path / "dogs.md")]
    path = tmp_path / "set.csv"
    path.write_text("\n".join(["path,caption", *(f"{name},about {name}" for name in named)]))
    record = judge(reader, path, "2").record
    told = {problem.reason: problem for problem in record.problems}
    assert told["no_list_for_pair"].count == 2
    assert set(told["no_list_for_pair"].examples) == {"text->image", "image->text"}
    assert {found.pair for found in record.pairs} == {"text->passage", "text->anything"}
    assert pair(record, "text->passage").num_queries == 2


def test_a_set_that_no_list_of_the_version_can_answer_is_refused(
    reader: Album, tmp_path: Path
) -> None:
    path = tmp_path / "set.csv"
    path.write_text("\n".join(["path,caption", *(f"{each},drawing" for each in reader.pictures)]))
    with pytest.raises(EvaluationError, match="no list for pair"):
        judge(reader, path, "2", pairs=("text->image", "image->text"))


def test_a_picture_alone_under_its_label_is_counted_and_asks_for_none(
    album: Album, tmp_path: Path
) -> None:
    path = tmp_path / "labels.csv"
    rows = [f"{picture},{'disc' if i else 'lone'}" for i, picture in enumerate(album.pictures)]
    path.write_text("\n".join(["path,label", *rows]))
    record = judge(album, path, "1").record
    assert problems(record) == {"only_one_of_its_label": 1}
    assert pair(record, "image->image").num_queries == NUM_PICTURES - 1


def test_a_set_of_which_nothing_is_indexed_is_refused(album: Album, tmp_path: Path) -> None:
    path = tmp_path / "set.csv"
    path.write_text("path,caption\nfar/away.jpg,a dog\n")
    with pytest.raises(SetUnreadable, match="index it first"):
        judge(album, path, "1")


def test_an_empty_collection_is_told_of(captions: Callable[..., Path], tmp_path: Path) -> None:
    empty = Collection(tmp_path / "empty.duckdb")
    with empty.write():
        pass
    with pytest.raises(CollectionEmpty):
        judge(Album([], empty.path), captions())


def test_evaluation_is_kept_with_every_query(album: Album, captions: Callable[..., Path]) -> None:
    record = judge(album, captions(), "1").record
    with Collection(album.collection).read() as con:
        kept = evaluations.find(con, record.evaluation_id[:12])
        assert kept is not None
        whole = evaluations.with_queries(con, kept)
    assert kept.pairs == sorted(record.pairs, key=lambda found: found.pair)
    assert {(q.pair, q.query_id): q for q in whole.queries} == {
        (q.pair, q.query_id): q for q in record.queries
    }


def test_labels_give_zero_shot_accuracy_and_same_class_retrieval(
    album: Album, tmp_path: Path
) -> None:
    path = tmp_path / "labels.csv"
    rows = [f"{picture},{('disc', 'bar')[i % 2]}" for i, picture in enumerate(album.pictures)]
    path.write_text("\n".join(["path,label", *rows]))
    record = judge(album, path, "1").record
    assert {found.pair for found in record.pairs} == {
        "text->image",
        "image->image",
        "image->label",
    }
    assert pair(record, "image->label").gallery_size == 2
    alike = pair(record, "image->image")
    assert alike.measures["recall@10"].value <= 10 / (NUM_PICTURES / 2 - 1)
    ranked = judge(album, path, "1").ranked["image->image"]
    assert all(query not in ranking for query, ranking in ranked.rankings.items())


def test_pictures_ask_for_captions_in_a_derived_space_too(
    album: Album, captions: Callable[..., Path], tmp_path: Path
) -> None:
    copy = tmp_path / "album.duckdb"
    copy.write_bytes(album.collection.read_bytes())
    add_space(str(copy), SpaceSpec(kind="pca", dim=8, name="small", parent="1"))
    record = judge(replace(album, collection=copy), captions(), "small").record
    assert pair(record, "image->text").num_queries == NUM_PICTURES
    assert pair(record, "image->text").gallery_size == CAPTIONS_EACH * NUM_PICTURES


def test_runs_are_exported_as_trec_files_that_give_the_same_figures(
    album: Album, captions: Callable[..., Path], tmp_path: Path
) -> None:
    import ir_measures

    done = judge(album, captions(), "1")
    files = export(done.ranked, tmp_path / "trec", "tiny clip")
    run, qrels = (
        next(f for f in files if f.name == f"text-to-image.{s}") for s in ("run", "qrels")
    )
    assert {len(line.split()) for line in run.read_text().splitlines()} == {6}
    again = ir_measures.calc_aggregate(
        [ir_measures.nDCG @ 10],
        ir_measures.read_trec_qrels(str(qrels)),
        ir_measures.read_trec_run(str(run)),
    )
    value = pair(done.record, "text->image").measures["nDCG@10"].value
    assert again[ir_measures.nDCG @ 10] == pytest.approx(value, abs=1e-9)


def test_two_versions_compare_query_by_query(album: Album, captions: Callable[..., Path]) -> None:
    path = captions()
    first, second = judge(album, path, "1").record, judge(album, path, "2").record
    made = compare(first, second)
    place = MEASURES.index("recall@10")
    for found in made.pairs:
        before, after = (
            np.mean([q.scores[place] for q in r.queries if q.pair == found.pair])
            for r in (first, second)
        )
        assert found.change["recall@10"].value == pytest.approx(after - before)
    changed = most_changed(first, second, "text->image", 6)
    assert 0 < len(changed) <= 6
    assert all(change.by for change in changed)


def test_a_set_that_was_learned_from_is_refused_or_marked(
    tmp_path: Path, captions: Callable[..., Path], tiny_clip: Path, album: Album
) -> None:
    import shutil

    copy = Album(album.pictures, Path(shutil.copy(album.collection, tmp_path / "copy.duckdb")))
    with Collection(copy.collection).write() as con:
        record_training_items(con, 1, "text", [text_hash("Drawing 3, seen left.")])
    path = captions()
    with pytest.raises(SetOverlaps, match="1 of 72 texts"):
        judge(copy, path, "1")
    assert judge(copy, path, "1", allow_overlap=True).record.overlap == "1 of 72 texts"
    assert judge(copy, path, "2").record.overlap == ""


def test_a_set_that_the_reranker_learned_from_is_refused_before_it_is_loaded(
    tmp_path: Path, captions: Callable[..., Path], album: Album
) -> None:
    folder = tmp_path / "order"
    folder.mkdir()
    write_training_items(folder, {"picture": [], "text": [text_hash("Drawing 3, seen left.")]})
    query = QueryOptions(collection=str(album.collection), device="cpu", k=50, rerank=str(folder))
    with pytest.raises(SetOverlaps, match=rf"{folder} was trained on 1 of 72 texts"):
        evaluate(EvaluateSpec(set_path=str(captions()), query=query))


def test_without_the_tools_nothing_is_read_or_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "ir_measures", None)
    query = QueryOptions(collection=str(tmp_path / "missing.duckdb"))
    with pytest.raises(EvaluationError, match=r"pip install 'crossmodal\[evaluate\]'"):
        evaluate(EvaluateSpec(set_path=str(tmp_path / "missing.csv"), query=query))
