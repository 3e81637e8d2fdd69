"""Search real photos with the built-in model: does it find what was meant?"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from crossmodal.encoders.cache import load_version
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions
from crossmodal.records import VectorList
from crossmodal.search.options import QueryOptions
from crossmodal.search.service import answer
from crossmodal.vectors.search import SearchRequest, search
from tests.shell import Shell

pytestmark = [pytest.mark.meaning, pytest.mark.slow]

# Measured 0.919 (text to image, 2,000 captions of 400 photos); the floor leaves room for rounding.
RECALL_AT_10_FLOOR = 0.91


@pytest.fixture(scope="session")
def caption_collection(session_shell: Callable[[str], Shell], shared_data: Path) -> Path:
    shell = session_shell("captions")
    shell.run("index", shared_data / "captions" / "flickr8k")
    return shell.collection


def test_captions_find_their_photo_among_the_first_ten(
    caption_collection: Path, shared_data: Path
) -> None:
    captions = defaultdict(list)
    with (shared_data / "captions" / "captions.csv").open(newline="", encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            if row["path"].startswith("captions/flickr8k/"):
                captions[str(shared_data / row["path"])].append(row["caption"])
    with Collection(caption_collection).read() as con:
        live = model_versions.live(con)
        assert live is not None
        encoder, photos = load_version(live.joint), VectorList(live.joint, "image")
        texts = [text for group in captions.values() for text in group]
        wanted = [uri for uri, group in captions.items() for _ in group]
        vectors = [
            v for i in range(0, len(texts), 256) for v in encoder.encode_texts(texts[i : i + 256])
        ]
        found = [{hit.uri for hit in search(con, SearchRequest(photos, v, k=10))} for v in vectors]
    assert len(texts) == 2000
    recall = sum(uri in uris for uri, uris in zip(wanted, found, strict=True)) / len(texts)
    assert recall >= RECALL_AT_10_FLOOR, f"recall@10 is {recall:.3f}"


def test_photo_finds_itself_first(caption_collection: Path, shared_data: Path) -> None:
    photo = sorted((shared_data / "captions" / "flickr8k").iterdir())[0]
    found = answer(QueryOptions(collection=str(caption_collection), k=3), [], [str(photo)])
    assert found[0].hits[0].uri == str(photo)
    assert found[0].hits[0].score > 0.98


def test_a_red_sports_car_finds_red_sports_cars(
    session_shell: Callable[[str], Shell], shared_data: Path
) -> None:
    shell = session_shell("cars")
    shell.run("index", shared_data / "cars", "--min-coverage", 0.9)
    with (shared_data / "cars" / "labels.csv").open(newline="", encoding="utf-8") as rows:
        labels = {
            str(shared_data / row["path"]): row["red_sports_car"] for row in csv.DictReader(rows)
        }
    asked = ("a red sports car", "-k", 20, "--modality", "image")
    hits = shell.json("search", *asked)[0]["hits"]
    judged = [labels[hit["uri"]] for hit in hits]
    # By chance 20 of 256 would give 0.4 in five and 1.6 in twenty.
    assert judged[:5].count("yes") >= 2, judged
    assert judged.count("yes") >= 6, judged
