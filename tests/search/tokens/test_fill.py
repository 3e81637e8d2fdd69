"""Token vectors are made before anybody asks, once, and go with what they belong to."""

from __future__ import annotations

import json
import resource
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from crossmodal.cli.main import make_app
from crossmodal.encoders.rerankers.loading import load_reranker
from crossmodal.encoders.rerankers.reranker import Side
from crossmodal.errors import CollectionBusy, ModelMismatch, ModelUnsupported, PathError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.indexed import state
from crossmodal.ledger.read.token_files import token_files
from crossmodal.ledger.write import settings
from crossmodal.runs.options import RunOptions
from crossmodal.runs.progress import NullProgress
from crossmodal.runs.run import Run
from crossmodal.search import upkeep
from crossmodal.search.options import QueryOptions
from crossmodal.search.service import Query, SearchService
from crossmodal.search.tokens import due, fill
from crossmodal.search.tokens.due import FillSpec, is_due, kept_specs, unfilled
from crossmodal.search.tokens.fill import fill_tokens, sweep
from crossmodal.search.tokens.store import TokenCache, all_of, key_of
from tests import tiny_rerankers as tiny
from tests.search.tokens.conftest import NUM


def keep(collection: Collection, model: str, pair: str, **changes: object) -> None:
    fingerprint = load_reranker(model, "cpu").fingerprint
    kept = {"model": model, "fingerprint": fingerprint, "pool": 1, "tokens": "int8"} | changes
    with collection.write() as con:
        settings.remember_rerankers(con, {pair: kept})


def command(*arguments: str) -> dict[str, object]:
    done = CliRunner().invoke(make_app(list(arguments)), [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    told: dict[str, object] = json.loads(done.stdout)
    return told


class Stopping(NullProgress):
    """Stop a fill after its first batch, as a person does."""

    def advance(self, amount: float) -> None:
        raise KeyboardInterrupt


def test_after_a_fill_no_search_draws_a_page(
    collection: Collection, col_qwen2: str, pictures: list[Path]
) -> None:
    done = fill_tokens(collection, FillSpec(model=col_qwen2), "cpu")
    assert (done.num_made, done.num_kept, done.num_left) == (NUM, 0, 0)
    for path in pictures:
        path.unlink()
    asked = QueryOptions(
        collection=str(collection.path), device="cpu", rerank=col_qwen2, rerank_deadline_ms=0
    )
    found = SearchService(collection).ask(Query(text="a boat"), asked)
    shown = [hit for hit in found.hits if hit.modality == "image"]
    assert shown
    assert None not in [hit.rerank_score for hit in shown]


def test_a_fill_does_what_is_lacking_and_then_nothing(collection: Collection, colbert: str) -> None:
    keep(collection, colbert, "text->passage")
    assert is_due(collection)
    (spec,) = kept_specs(collection)
    with pytest.raises(KeyboardInterrupt):
        fill_tokens(collection, spec, "cpu", Stopping())
    assert is_due(collection)
    made = fill_tokens(collection, spec, "cpu")
    assert (made.num_made, made.num_kept) == (0, NUM), "they were one batch, and it was kept"
    sweep(collection)
    assert not is_due(collection)
    with collection.write() as con:
        con.execute("UPDATE source SET mtime_ns = mtime_ns + 1 WHERE uri = '/texts/0'")
    assert is_due(collection)


def test_a_stopped_fill_goes_on_where_it_was(collection: Collection, col_qwen2: str) -> None:
    spec = FillSpec(model=col_qwen2)
    with pytest.raises(KeyboardInterrupt):
        fill_tokens(collection, spec, "cpu", Stopping())
    batch = load_reranker(col_qwen2, "cpu").batch
    done = fill_tokens(collection, spec, "cpu")
    assert (done.num_made, done.num_kept) == (NUM - batch, batch)


def test_tokens_go_with_their_source_and_leave_no_bytes(
    collection: Collection, col_qwen2: str, pictures: list[Path]
) -> None:
    fill_tokens(collection, FillSpec(model=col_qwen2), "cpu")
    (cache,) = all_of(collection.path)
    vectors = {bytes(code) for (code,) in rows(cache.path, "SELECT vectors FROM tokens")}
    command("forget", str(pictures[0]), "-c", str(collection.path))
    left = {bytes(code) for (code,) in rows(cache.path, "SELECT vectors FROM tokens")}
    (gone,) = vectors - left
    assert len(left) == NUM - 1
    assert gone[-64:] not in cache.path.read_bytes()


def test_tokens_of_a_training_stay_until_something_is_forgotten(
    collection: Collection, pictures: list[Path]
) -> None:
    cache = TokenCache(collection.path, "f" * 64)
    with Image.open(pictures[0]) as picture:
        pixels = key_of(Side(picture=picture.convert("RGB")))
    cache.put({pixels: np.eye(4, dtype=np.float16), "text-gone": np.eye(4, dtype=np.float16)})
    assert sweep(collection) == 1
    assert cache.lacking([pixels]) == []
    command("forget", str(pictures[1]), "-c", str(collection.path))
    assert cache.lacking([pixels]) == [pixels]


def test_a_page_that_is_gone_is_told_and_the_others_are_filled(
    collection: Collection, col_qwen2: str, pictures: list[Path]
) -> None:
    pictures[0].unlink()
    done = fill_tokens(collection, FillSpec(model=col_qwen2), "cpu")
    assert (done.num_made, done.num_left) == (NUM - 1, 1)
    assert "cannot be shown as it was indexed" in done.reasons[0]


def test_one_process_at_a_time_fills(collection: Collection, colbert: str) -> None:
    spec = FillSpec(model=colbert)
    fill_tokens(collection, spec, "cpu")
    (cache,) = all_of(collection.path)
    with fill._alone(cache), pytest.raises(CollectionBusy, match="another process fills"):
        fill_tokens(collection, spec, "cpu")
    assert fill_tokens(collection, spec, "cpu").num_kept == NUM


def test_a_full_disk_ends_the_fill_with_a_sentence_and_the_next_goes_on(
    collection: Collection, col_qwen2: str
) -> None:
    spec = FillSpec(model=col_qwen2)
    with pytest.raises(KeyboardInterrupt):
        fill_tokens(collection, spec, "cpu", Stopping())
    (before,) = token_files(collection.path)
    with no_file_larger_than(before.num_bytes), pytest.raises(PathError, match="make room"):
        fill_tokens(collection, spec, "cpu")
    done = fill_tokens(collection, spec, "cpu")
    assert done.num_kept >= before.num_entries
    assert done.num_made + done.num_kept == NUM


def test_a_fill_that_would_push_its_own_tokens_out_is_refused(
    collection: Collection, colbert: str
) -> None:
    with pytest.raises(PathError, match=r"would take about .* --max-gb 1"):
        fill_tokens(collection, FillSpec(model=colbert), "cpu", max_bytes=1000)
    assert fill_tokens(collection, FillSpec(model=colbert), "cpu", max_bytes=10**9).num_left == 0


def test_tokens_that_do_not_fit_are_tried_again_only_where_the_ledger_changed(
    collection: Collection, colbert: str
) -> None:
    keep(collection, colbert, "text->passage")
    (spec,) = kept_specs(collection)
    with pytest.raises(PathError, match="would take about"):
        fill_tokens(collection, spec, "cpu", max_bytes=1000)
    assert unfilled(collection) == []
    with collection.write() as con:
        con.execute("UPDATE source SET mtime_ns = mtime_ns + 1 WHERE uri = '/texts/0'")
    assert unfilled(collection) == [spec]


def test_tokens_that_gave_way_are_due_again_and_leave_no_bytes(
    collection: Collection, colbert: str
) -> None:
    keep(collection, colbert, "text->passage")
    (spec,) = kept_specs(collection)
    fill_tokens(collection, spec, "cpu")
    assert unfilled(collection) == []
    (cache,) = all_of(collection.path)
    before = [bytes(code) for (code,) in rows(cache.path, "SELECT vectors FROM tokens")]
    cache.note(max_bytes=cache.num_bytes)
    cache.put({"text-of-another": np.ones((512, 32), np.float32)})
    assert unfilled(collection) == [spec]
    left = [bytes(code) for (code,) in rows(cache.path, "SELECT vectors FROM tokens")]
    gone = set(before) - set(left)
    assert gone
    assert not [code for code in gone if code[-64:] in cache.path.read_bytes()]


def test_a_model_that_changed_or_keeps_no_tokens_is_refused(
    collection: Collection, tmp_path: Path
) -> None:
    folder = tiny.build_colbert(tmp_path / "model")
    keep(collection, str(folder), "text->passage")
    shutil.rmtree(folder)
    tiny.build_colbert(folder, settings={"model_type": "ColBERT"})
    with pytest.raises(ModelMismatch, match="has changed since"):
        fill_tokens(collection, kept_specs(collection)[0], "cpu")
    cross = tiny.build_cross_encoder(tmp_path / "cross")
    with pytest.raises(ModelUnsupported, match="keeps no token vectors"):
        fill_tokens(collection, FillSpec(model=str(cross)), "cpu")


def test_a_run_fills_for_the_rerankers_that_are_kept_and_notes_what_keeps_it_from_that(
    collection: Collection, colbert: str
) -> None:
    keep(collection, colbert, "text->passage")
    run = Run(collection, "index", RunOptions(quiet=True))
    upkeep.fill_tokens(run, "cpu")
    assert [each.num_entries for each in token_files(collection.path)] == [NUM]
    assert not is_due(collection)
    keep(collection, colbert, "text->passage", fingerprint="former")
    upkeep.fill_tokens(run, "cpu")
    assert "has changed since it was shown to be better" in run.notes[-1]


def test_a_kept_reranker_whose_model_is_gone_is_noted_once_until_the_ledger_changes(
    collection: Collection, tmp_path: Path
) -> None:
    folder = tiny.build_colbert(tmp_path / "model")
    keep(collection, str(folder), "text->passage")
    shutil.rmtree(folder)
    run = Run(collection, "index", RunOptions(quiet=True))
    for _ in range(2):
        upkeep.fill_tokens(run, "cpu")
    assert not is_due(collection)
    (note,) = run.notes
    assert "crossmodal reranker fill" in note
    with collection.write() as con:
        con.execute("UPDATE source SET mtime_ns = mtime_ns + 1 WHERE uri = '/texts/0'")
    assert is_due(collection)


def test_whether_tokens_are_due_takes_one_look_at_the_chunks(
    collection: Collection, colbert: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(collection, colbert, "text->passage")
    fill_tokens(collection, kept_specs(collection)[0], "cpu")
    sweep(collection)
    looks: list[str] = []
    monkeypatch.setattr(due, "state", lambda con: looks.append(state(con)) or looks[-1])
    assert not is_due(collection)
    assert len(looks) == 1


def test_a_run_goes_on_where_tokens_of_what_is_gone_cannot_be_dropped(
    collection: Collection, colbert: str
) -> None:
    fill_tokens(collection, FillSpec(model=colbert), "cpu")
    (cache,) = all_of(collection.path)
    run = Run(collection, "index", RunOptions(quiet=True))
    holding = sqlite3.connect(cache.path)
    try:
        holding.execute("BEGIN IMMEDIATE")
        upkeep.fill_tokens(run, "cpu")
    finally:
        holding.close()
    assert "token vectors of what is gone are still there" in run.notes[-1]


def test_status_and_list_tell_the_bytes_and_drop_takes_them_away(
    collection: Collection, colbert: str
) -> None:
    keep(collection, colbert, "text->passage")
    path = str(collection.path)
    told = command("reranker", "fill", "-c", path, "--device", "cpu")
    assert [one["num_made"] for one in told["filled"]] == [NUM]  # type: ignore[attr-defined]
    (tokens,) = command("status", "-c", path)["tokens"]  # type: ignore[misc]
    assert tokens["label"].startswith("colbert@")
    assert (tokens["form"], tokens["num_entries"]) == ("int8", NUM)
    command("reranker", "drop", "--pair", "text->passage", "-c", path)
    assert command("reranker", "list", "-c", path)["token_bytes"] == 0


def test_pooling_of_rerankers_that_are_kept_is_theirs(collection: Collection) -> None:
    asked = ["reranker", "fill", "--pool", "2", "-c", str(collection.path)]
    done = CliRunner().invoke(make_app(asked), asked)
    assert done.exit_code == 2
    assert "for a model that is named" in done.output


def rows(path: Path, query: str) -> list[tuple[bytes]]:
    con = sqlite3.connect(path)
    found = con.execute(query).fetchall()
    con.close()
    return found


@contextmanager
def no_file_larger_than(num_bytes: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
