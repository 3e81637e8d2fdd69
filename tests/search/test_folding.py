"""Near-duplicates are one hit; what merely resembles another keeps its place."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from io import BytesIO

import pytest
from PIL import Image

from crossmodal.models.image_preprocess import ImagePreprocess
from crossmodal.models.prepared_picture import prepare
from crossmodal.records import Hit
from crossmodal.search.folding import _Content, fold
from tests.drawn import draw_picture
from tests.search import hits
from tests.search.test_snippets import hit as passage

LETTER = (
    "Dear customer, thank you for the order of last week. It left our house this morning and will "
    "reach you within three days. Keep this letter until the goods have come."
)
PREPROCESS = ImagePreprocess(
    shortest_edge=32,
    stretch=None,
    height=32,
    width=32,
    resample=3,
    rescale=1 / 255,
    mean=(0.5,) * 3,
    std=(0.5,) * 3,
)


def texts(*given: str) -> list[Hit]:
    return [replace(passage(text), uri=f"/{i}.md") for i, text in enumerate(given)]


def saved(picture: Image.Image, **how: object) -> bytes:
    file = BytesIO()
    picture.save(file, **how)  # type: ignore[arg-type]
    return file.getvalue()


def picture(data: bytes, uri: str, score: float = 0.3, **changes: object) -> Hit:
    (prepared,) = prepare(data, 10.0, PREPROCESS)
    return hits.hit(uri, score=score, meta={"phash": prepared.phash}, **changes)


def test_text_in_another_format_folds_into_the_better_hit() -> None:
    other = LETTER.replace(". ", ".\n\n").replace("Keep", "KEEP")
    found = texts(LETTER, "Something else altogether.", other)
    assert fold(found, 10) == [(0, ["/2.md"]), (1, [])]


@pytest.mark.parametrize(
    "other",
    [
        LETTER.replace("three days", "3 days"),
        LETTER.replace("this morning", "yesterday by the evening train"),
        "Thank you.",
        "",
    ],
)
def test_text_that_says_something_else_keeps_its_place(other: str) -> None:
    assert fold(texts(LETTER, other), 10) == [(0, []), (1, [])]


def test_forms_that_differ_in_a_number_keep_their_places() -> None:
    forms = [f"Invoice {n}. {LETTER * 5}" for n in (4711, 4712)]
    assert fold(texts(*forms), 10) == [(0, []), (1, [])]


def test_smaller_and_compressed_copies_of_a_picture_fold() -> None:
    drawn = draw_picture(5).resize((320, 240))
    found = [
        picture(saved(drawn, format="PNG"), "/whole.png"),
        picture(saved(drawn.resize((160, 120)), format="PNG"), "/small.png"),
        picture(saved(drawn, format="JPEG", quality=30), "/compressed.jpg", 0.29),
        picture(saved(draw_picture(8), format="PNG"), "/other.png"),
    ]
    assert fold(found, 10) == [(0, ["/small.png", "/compressed.jpg"]), (3, [])]


def test_pictures_that_the_model_tells_apart_keep_their_places() -> None:
    data = saved(draw_picture(5), format="PNG")
    found = [picture(data, "/one.png", 0.3), picture(data, "/layout.png", 0.2)]
    assert fold(found, 10) == [(0, []), (1, [])]


@pytest.mark.parametrize("meta", [{}, {"phash": "not a hash"}, {"phash": 7}, {"phash": ""}])
def test_pictures_without_a_hash_are_never_folded(meta: dict[str, object]) -> None:
    assert fold([hits.hit("/a", meta=meta), hits.hit("/b", meta=meta)], 10) == [(0, []), (1, [])]


def test_reading_stops_where_enough_are_kept() -> None:
    found = texts(LETTER, LETTER, "Something else.", LETTER)
    assert fold(found, 2) == [(0, ["/1.md"]), (2, [])]
    assert fold([], 3) == []


def test_picture_of_one_colour_has_no_hash() -> None:
    (prepared,) = prepare(saved(Image.new("RGB", (50, 50), "red"), format="PNG"), 10.0, PREPROCESS)
    assert prepared.phash == ""


def test_what_shares_no_key_is_like_nothing() -> None:
    """Leaving pairs out for want of a common key changes no answer."""
    draw = random.Random(5)
    letters = [LETTER.split() for _ in range(60)]
    for words in letters:
        for _ in range(draw.randint(0, 4)):
            words[draw.randrange(len(words))] = draw.choice(["sun", "moon", "star", "sea"])
    hashes = [draw.getrandbits(64) for _ in range(20)]
    near = [h ^ sum(1 << draw.randrange(64) for _ in range(draw.randint(0, 9))) for h in hashes * 3]
    found = texts(*map(" ".join, letters))
    found += [
        hits.hit(f"/{i}.png", meta={"phash": f"{h % 2**64:016x}"}) for i, h in enumerate(near)
    ]
    contents = [_Content.of(each) for each in found]
    kept: list[int] = []
    for place, content in enumerate(contents):
        if not any(content.is_like(contents[other]) for other in kept):
            kept.append(place)
    assert [place for place, _ in fold(found, len(found))] == kept
    assert 20 < len(kept) < len(found) - 20


def test_ten_thousand_different_hits_are_looked_through_in_seconds() -> None:
    draw = random.Random(5)
    words = [f"w{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(600)]
    found = texts(*(" ".join(draw.choices(words, k=60)) for _ in range(10_000)))
    started_s = time.process_time()
    assert len(fold(found, 10_000)) == 10_000
    assert time.process_time() - started_s < 20
