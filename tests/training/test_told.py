"""Pairs come out of clicks, judgements and the collection itself, with what does not fit."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossmodal.errors import PairsError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions, shard_writer
from crossmodal.ledger.write.judgements import Judgement, put_judgement
from crossmodal.records import VectorList
from crossmodal.training.inside import parts_inside
from crossmodal.training.pairs import Pairs, read_pairs
from crossmodal.training.split import Split, without_held_out
from crossmodal.training.tables import read_told
from tests.evaluation.conftest import Album
from tests.ledger.build import plan, planned, shard, unit, vector_row, version

Clicks = Sequence[tuple[str, Any, Any]]


def log(tmp_path: Path, rows: Clicks) -> Path:
    path = tmp_path / "clicks.csv"
    with path.open("w", newline="") as table:
        csv.writer(table).writerows([("query", "shown", "clicked"), *rows])
    return path


def read(collection: Path, given: str) -> Pairs:
    with Collection(collection).read() as con:
        live = model_versions.live(con)
        assert live is not None
        return read_pairs(con, given, VectorList(live.joint, "image"))


def test_click_is_a_pair_and_what_was_shown_above_it_a_hard_negative(tmp_path: Path) -> None:
    told = read_told(log(tmp_path, [("red car", "a.jpg|b.jpg|c.jpg|d.jpg", "c.jpg")]))
    assert told.captions == {"c.jpg": ["red car"]}
    assert told.skipped == [("red car", "a.jpg"), ("red car", "b.jpg")]


def test_lists_may_be_json_or_a_jsonl_log(tmp_path: Path) -> None:
    path = tmp_path / "clicks.jsonl"
    path.write_text(json.dumps({"query": "q", "shown": ["a|b.jpg", "c.jpg"], "clicked": "c.jpg"}))
    assert read_told(path).skipped == [("q", "a|b.jpg")]
    as_json = log(tmp_path, [("q", '["a|b.jpg", "c.jpg"]', '["c.jpg"]')])
    assert read_told(as_json).skipped == [("q", "a|b.jpg")]


def test_what_somebody_took_is_no_negative_of_the_same_query(tmp_path: Path) -> None:
    rows = [("q", "a.jpg|b.jpg", "b.jpg"), ("q", "a.jpg|b.jpg", "a.jpg")]
    told = read_told(log(tmp_path, rows)).settled()
    assert told.skipped == []
    assert set(told.captions) == {"a.jpg", "b.jpg"}


def test_rows_that_tell_nothing_are_counted_by_reason(tmp_path: Path) -> None:
    rows = [("q", "a.jpg", "a.jpg"), ("", "a.jpg", "a.jpg"), ("q", "a.jpg", ""), ("q", "a", "b")]
    assert {what: num for what, num in read_told(log(tmp_path, rows)).problems.items() if num} == {
        "rows of the log without a query": 1,
        "rows of the log without a click": 1,
        "rows of the log whose click was not on what was shown": 1,
    }


def test_log_without_a_click_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PairsError, match=r"has 1 rows, and in none of them .* was clicked"):
        read_told(log(tmp_path, [("q", "a.jpg", "")]))


def test_clicks_are_looked_up_like_pairs(album: Album, tmp_path: Path) -> None:
    paths = [str(path) for path in album.pictures]
    rows = [
        (f"drawing {number}", f"{paths[number - 1]}|{path}", path)
        for number, path in enumerate(paths)
    ]
    pairs = read(album.collection, str(log(tmp_path, rows)))
    assert pairs.hard is not None
    assert len(pairs.pictures) == len(pairs.hard.uris) == len(paths)
    told = {pairs.captions[caption]: uri for uri, caption in zip(*_of(pairs), strict=True)}
    assert told["drawing 5"] == paths[4]


def _of(pairs: Pairs) -> tuple[list[str], list[int]]:
    assert pairs.hard is not None
    return pairs.hard.uris, pairs.hard.caption_of.tolist()


def test_hard_negatives_that_are_held_out_are_not_learned_against(
    album: Album, tmp_path: Path
) -> None:
    paths = [str(path) for path in album.pictures]
    rows = [(f"q {n}", f"{paths[n - 1]}|{path}", path) for n, path in enumerate(paths)]
    pairs = read(album.collection, str(log(tmp_path, rows)))
    hashes = [f"{number * 0x0101010101010101:016x}" for number in range(len(paths))]
    names = {uri: place for place, uri in enumerate(pairs.uris)}
    assert pairs.hard is not None
    hard_hashes = [hashes[names[uri]] for uri in pairs.hard.uris]
    everything = np.arange(len(paths))
    kept = without_held_out(pairs, hard_hashes, Split(everything[3:], everything[:3]), hashes)
    assert kept.hard is not None
    assert not set(kept.hard.uris) & set(pairs.uris[:3])


def test_judgements_are_pairs_and_what_does_not_fit_a_hard_negative(
    album: Album, tmp_path: Path
) -> None:
    own = Collection(shutil.copy(album.collection, tmp_path / "own.duckdb"))
    with own.write() as con:
        chunks = [n for (n,) in con.execute("SELECT chunk_id FROM chunk ORDER BY 1").fetchall()]
        for number, chunk in enumerate(chunks):
            for fits, of in ((True, chunk), (False, chunks[number - 1])):
                put_judgement(con, said(f"drawing {number}", of, fits))
        put_judgement(con, said(str(chunks[0]), chunks[1], True, kind="chunk"))
    pairs = read(own.path, "judgements")
    assert len(pairs.captions) == len(chunks)
    assert len(_of(pairs)[0]) == len(chunks)
    assert pairs.problems == {"judged for a picture, or of what is no picture": 1}


def said(query: str, chunk_id: int, fits: bool, kind: str = "text") -> Judgement:
    return Judgement(query_kind=kind, query=query, chunk_id=chunk_id, fits=fits, model="m", rank=1)


def test_no_judgements_are_refused_with_where_to_make_them(album: Album) -> None:
    with pytest.raises(PairsError, match=r"nobody has judged a hit yet.*crossmodal ui"):
        read(album.collection, "judgements")


def part(uri: str, media_type: str, kind: str, text: str, **meta: Any) -> Any:
    row = planned(uri, uri, media_type=media_type)
    modality = "text" if kind == "cue" else "image"
    told = {"kind": kind, "modality": modality, "text": text, "meta": json.dumps(meta)}
    return row, vector_row(row, unit(1, 2, 3, 4), **told)


def test_collection_tells_of_its_figures_frames_and_pictures_in_tables(tmp_path: Path) -> None:
    parts = [
        part("/d/paper.pdf", "application/pdf", "figure", "Figure 2: A pump.\nText.", page=3),
        part("/d/cars.csv", "text/csv", "cell_image", "name: Anna; colour: red", row=4),
        part("/d/talk.mp4", "video/mp4", "frame", "", start_s=0.0, end_s=9.0, frame_s=5.0),
        part("/d/talk.en.srt", "text/srt", "cue", "we see a boat", start_s=4.0, end_s=6.0),
        part("/d/mute.mp4", "video/mp4", "clip", "", start_s=0.0, end_s=9.0, frame_s=5.0),
    ]
    collection = Collection(tmp_path / "c.duckdb")
    with collection.write() as con:
        model = model_versions.register(con, version())
        given = shard(model, plan(*(row for row, _ in parts)), [row for _, row in parts])
        shard_writer.commit_shard(con, given)
        found = parts_inside(con, VectorList(model, "image"))
    assert {(each.picture.uri, tuple(each.captions)) for each in found} == {
        ("/d/paper.pdf", ("Figure 2: A pump.",)),
        ("/d/cars.csv", ("name: Anna; colour: red",)),
        ("/d/talk.mp4", ("we see a boat",)),
        ("/d/mute.mp4", ()),
    }


def test_picture_has_what_was_read_in_it(tmp_path: Path) -> None:
    row = planned("/d/sign.png", "sign")
    beside = planned("/d/plain.png", "plain")
    seen = {"kind": "image", "modality": "image"}
    read_in = {"kind": "ocr", "modality": "text", "parent": 0, "ordinal": 1, "text": " EXIT  left "}
    rows = [
        vector_row(row, unit(1, 2, 3, 4), **seen),
        vector_row(row, unit(4, 3, 2, 1), **read_in),
        vector_row(beside, unit(4, 3, 1, 1), **seen),
    ]
    collection = Collection(tmp_path / "c.duckdb")
    with collection.write() as con:
        model = model_versions.register(con, version())
        shard_writer.commit_shard(con, shard(model, plan(row, beside), rows))
        found = parts_inside(con, VectorList(model, "image"))
    assert [(each.picture.uri, each.captions) for each in found] == [("/d/sign.png", ["EXIT left"])]


def test_collection_without_such_parts_is_refused_with_the_number(album: Album) -> None:
    with pytest.raises(PairsError, match="the collection has 0 pictures that can be learned from"):
        read(album.collection, "collection")
