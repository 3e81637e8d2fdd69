"""Pairs are looked up in the collection, divided without leaks, and refused in a sentence."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from crossmodal.errors import PairsError, TrainingFailed
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions
from crossmodal.models.lineage import lineage_of
from crossmodal.models.training_items import training_hashes
from crossmodal.records import VectorList
from crossmodal.spaces.fill import fill_spaces
from crossmodal.training.finetune import register_tuned, tune
from crossmodal.training.head import HeadSpec
from crossmodal.training.pairs import Pairs, read_pairs
from crossmodal.training.prepare import prepare
from crossmodal.training.spec import FinetuneSpec
from crossmodal.training.split import groups_of, split
from tests.drawn import draw_pictures
from tests.evaluation.conftest import Album

Row = tuple[str, str]
Write = Callable[[Sequence[Row]], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(rows: Sequence[Row]) -> str:
        path = tmp_path / "pairs.csv"
        with path.open("w", newline="") as table:
            csv.writer(table).writerows([("path", "caption"), *rows])
        return str(path)

    return written


@pytest.fixture
def own(album: Album, tmp_path: Path) -> Collection:
    """Return a copy of the album that a test may change."""
    return Collection(shutil.copy(album.collection, tmp_path / "own.duckdb"))


def told(album: Album) -> list[Row]:
    return [(str(path), f"drawing number {n}") for n, path in enumerate(album.pictures)]


def read(album: Album, path: str) -> Pairs:
    with Collection(album.collection).read() as con:
        live = model_versions.live(con)
        assert live is not None
        return read_pairs(con, path, VectorList(live.joint, "image"))


def test_pairs_have_the_stored_vectors_of_their_pictures(album: Album, write: Write) -> None:
    pairs = read(album, write(told(album)))
    assert len(pairs.uris) == len(pairs.images) == len(pairs.captions) == len(album.pictures)
    assert pairs.problems == {}


def test_list_of_captions_in_jsonl_is_that_many_pairs(album: Album, tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    rows = [{"path": str(p), "captions": [f"one {n}", f"two {n}"]} for p, n in told(album)]
    path.write_text("\n".join(map(json.dumps, rows)))
    pairs = read(album, str(path))
    assert len(pairs.captions) == 2 * len(pairs.uris)


def test_what_cannot_be_learned_from_is_counted_by_reason(
    album: Album, write: Write, tmp_path: Path
) -> None:
    (stranger,) = draw_pictures(tmp_path / "strange", 1)
    rows = [*told(album), (str(stranger), "a stranger"), ("/no/such.jpg", "nobody")]
    pairs = read(album, write([*rows, (str(album.pictures[0]), "  ")]))
    assert pairs.problems == {
        "with an empty caption": 1,
        "whose picture is not in the collection: index it first": 1,
        "whose picture is missing": 1,
    }


def test_too_few_pairs_are_refused_with_the_reasons(album: Album, write: Write) -> None:
    rows = [*told(album)[:5], ("/no/such.jpg", "nobody")]
    with pytest.raises(PairsError, match=r"5 pictures .*1 whose picture is missing.*32 are the"):
        read(album, write(rows))


def test_one_caption_for_all_is_refused(album: Album, write: Write) -> None:
    with pytest.raises(PairsError, match="nothing to tell them apart by"):
        read(album, write([(path, "a drawing") for path, _ in told(album)]))


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "[1]\n"])
def test_no_table_of_pairs_is_refused(album: Album, tmp_path: Path, text: str) -> None:
    path = tmp_path / ("pairs.jsonl" if text.startswith("[") else "pairs.csv")
    path.write_text(text)
    with pytest.raises(PairsError, match=r"needs a column|each line of JSONL is an object"):
        read(album, str(path))


def test_look_alikes_and_shared_captions_are_on_one_side(album: Album, write: Write) -> None:
    pairs = read(album, write(told(album)))
    pairs.captions[1] = pairs.captions[0]
    hashes = [f"{number * 0x0101010101010101:016x}" for number in range(len(pairs.uris))]
    hashes[3] = hashes[2]
    for seed in range(5):
        dev = set(split(groups_of(pairs, hashes), 0.3, seed).dev.tolist())
        assert len(dev & {0, 1}) in (0, 2)
        assert len(dev & {2, 3}) in (0, 2)


def test_pictures_that_all_look_alike_are_refused(album: Album, write: Write) -> None:
    pairs = read(album, write(told(album)))
    with pytest.raises(PairsError, match="cannot be held out"):
        split(groups_of(pairs, ["0" * 16] * len(pairs.uris)), 0.2, 0)


def spec(path: str) -> FinetuneSpec:
    head = HeadSpec(epochs=30, batch_size=32, learning_rate=0.01)
    return FinetuneSpec(pairs=path, device="cpu", name="tuned", dev_share=0.3, head=head)


def test_what_was_learned_is_a_space_with_its_lineage(
    own: Collection, album: Album, write: Write
) -> None:
    given = spec(write(told(album)))
    prepared = prepare(own, given)
    # Random weights know nothing, so dev would not get better: it is let see what is learned.
    prepared = replace(prepared, dev=prepared.train)
    tuned = tune(prepared, given, lambda epoch: None)
    with own.write() as con:
        version = register_tuned(con, prepared, tuned, given, "run")
    assert fill_spaces(own, "run") == len(album.pictures)
    with own.read() as con:
        made = lineage_of(con, version.id or 0)
        learned = training_hashes(con, [version.id or 0], "text")
    assert made is not None
    assert made.how["space"] == "adapter"
    assert made.how["training"]["data_digest"] == prepared.data_digest
    assert made.how["training"]["weights_hash"] == tuned.weights_hash
    assert len(learned) == len(album.pictures)


def test_nothing_is_registered_where_nothing_got_better(
    own: Collection, album: Album, write: Write
) -> None:
    given = spec(write(told(album)))
    given = replace(given, head=replace(given.head, learning_rate=1e-12, epochs=2))
    prepared = prepare(own, given)
    with own.read() as con:
        before = model_versions.all_versions(con)
    with pytest.raises(TrainingFailed, match="nothing got better on the"):
        tune(prepared, given, lambda epoch: None)
    with own.read() as con:
        assert model_versions.all_versions(con) == before
