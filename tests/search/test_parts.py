from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodal.errors import FilterError
from crossmodal.records import VectorList
from crossmodal.search.centring import Centring, Space, normalised
from crossmodal.search.examples import Example
from crossmodal.search.parts import Part, combine, is_expression, parse_parts, parts_of
from tests.ledger import build

MODEL = build.version("joint", 8)
PICTURES = VectorList(MODEL, "image")
IMAGE, TEXT = Space(MODEL.fingerprint, "image"), Space(MODEL.fingerprint, "text")


def axis(*numbers: int) -> np.ndarray:
    return build.unit(*(float(i in numbers) for i in range(8)))


def seen(space: Space, vector: np.ndarray) -> Example:
    return Example("x", {space: vector})


def gapped() -> Centring:
    """Return a centring of pictures that lie about axis 6 and of texts that lie about axis 7."""
    rng = np.random.default_rng(7)
    samples = {
        space: rng.normal(size=(64, 8)).astype(np.float32) * 0.3 + offset * 2
        for space, offset in ((IMAGE, axis(6)), (TEXT, axis(7)))
    }
    means = {space: normalised(rows).mean(axis=0) for space, rows in samples.items()}
    rests = {space: normalised(normalised(rows) - means[space]) for space, rows in samples.items()}
    return Centring(means, rests)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('"a beach" + photo.jpg - "people"', [("a beach", 1), ("photo.jpg", 1), ("people", -1)]),
        ('2 * "red" - 0.5:blue', [("red", 2), ("blue", -0.5)]),
        ('"t-shirt - black" + my photo.jpg', [("t-shirt - black", 1), ("my photo.jpg", 1)]),
        ("a t-shirt", [("a t-shirt", 1)]),
        ('"größe" + "日本"', [("größe", 1), ("日本", 1)]),
    ],
)
def test_a_sum_is_read_as_it_is_written(text: str, parts: list[tuple[str, float]]) -> None:
    assert parse_parts(text) == [Part(*part) for part in parts]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "needs a part that is wanted"),
        ('"" + a', "is empty"),
        ('"open', "cannot understand"),
        ('0 * "red"', "needs a part that is wanted"),
        ('"red" - 0:"blue"', "cannot weigh 0"),
        (" + ".join('"a"' for _ in range(17)), "17 parts"),
    ],
)
def test_what_is_no_sum_is_refused_in_a_sentence(text: str, message: str) -> None:
    with pytest.raises(FilterError, match=message):
        parse_parts(text)


def test_a_plain_question_with_a_dash_is_no_sum() -> None:
    assert not is_expression("black - and - white")
    assert not is_expression('who said "to be"')
    assert is_expression('"a beach" - people')


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(FilterError):
        assert all(part.given for part in parse_parts(text))


def test_a_command_adds_and_takes_with_weights() -> None:
    found = parts_of(["a beach"], ["2:photo.jpg"], ["0.5*people", "12:30 train"])
    assert [(part.given, part.weight) for part in found] == [
        ("a beach", 1),
        ("photo.jpg", 2),
        ("people", -0.5),
        ("30 train", -12),
    ]
    with pytest.raises(FilterError, match="only take away"):
        parts_of([], [], ["people"])


def test_a_single_part_stays_as_it_is() -> None:
    vector = normalised(axis(0) + 2 * axis(6))
    found = combine([(seen(IMAGE, vector), 1.0)], [PICTURES], gapped())
    assert np.array_equal(found[PICTURES], vector)


def test_what_is_taken_away_lies_farther_and_what_is_added_nearer() -> None:
    centring = gapped()
    beach = seen(TEXT, normalised(axis(0) + 2 * axis(7)))
    photo = seen(IMAGE, normalised(axis(1) + 2 * axis(6)))
    people = seen(TEXT, normalised(axis(2) + 2 * axis(7)))
    mixed = combine([(beach, 1.0), (photo, 1.0), (people, -1.0)], [PICTURES], centring)[PICTURES]
    assert mixed @ axis(0) > 0.1
    assert mixed @ axis(1) > 0.1
    assert mixed @ axis(2) < -0.1
    assert np.linalg.norm(mixed) == pytest.approx(1, abs=1e-5)


def test_the_gap_between_modalities_does_not_decide_for_the_picture() -> None:
    beach = seen(TEXT, normalised(axis(0) + 2 * axis(7)))
    photo = seen(IMAGE, normalised(axis(1) + 2 * axis(6)))
    mixed = combine([(beach, 1.0), (photo, 1.0)], [PICTURES], gapped())[PICTURES]
    assert mixed @ axis(0) == pytest.approx(mixed @ axis(1), rel=0.35)


def test_a_larger_weight_pulls_farther() -> None:
    one, two = seen(IMAGE, axis(0, 6)), seen(IMAGE, axis(1, 6))
    even = combine([(one, 1.0), (two, 1.0)], [PICTURES], gapped())[PICTURES]
    more = combine([(one, 3.0), (two, 1.0)], [PICTURES], gapped())[PICTURES]
    assert more @ axis(0) > even @ axis(0)
    assert more @ axis(1) < even @ axis(1)


def test_a_list_that_no_wanted_part_can_ask_is_left_out() -> None:
    other = VectorList(build.version("other", 8), "text")
    wanted, unwanted = (
        seen(IMAGE, axis(0)),
        Example("y", {Space(other.version.fingerprint, "text"): axis(1)}),
    )
    assert set(combine([(wanted, 1.0), (unwanted, -1.0)], [PICTURES, other], gapped())) == {
        PICTURES
    }
