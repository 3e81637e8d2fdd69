from __future__ import annotations

import pytest

from crossmodal.creation.storyboard import MAX_SENTENCES, assigned, sentences
from crossmodal.errors import FilterError
from tests.search.hits import hit


def test_a_text_falls_into_its_sentences() -> None:
    text = 'A dog runs.  It barks: "Stop!" Then it\nsleeps\n\nNight falls 彼は走る。犬も。'
    assert sentences(text) == [
        "A dog runs.",
        'It barks: "Stop!',
        "Then it sleeps",
        "Night falls 彼は走る。",
        "犬も。",
    ]


def test_a_text_without_sentences_or_with_too_many_is_refused() -> None:
    with pytest.raises(FilterError, match="no sentence"):
        sentences(" \n ... \n")
    with pytest.raises(FilterError, match=f"up to {MAX_SENTENCES}"):
        sentences("A dog. " * (MAX_SENTENCES + 1))


def test_a_picture_goes_to_the_sentence_that_needs_it_most() -> None:
    first = [hit("/dog.jpg", score=0.9), hit("/cat.jpg", score=0.8)]
    second = [hit("/dog.jpg", score=0.85), hit("/car.jpg", score=0.1)]
    assert [each.uri for each in assigned([first, second]) if each] == ["/cat.jpg", "/dog.jpg"]


def test_with_too_few_pictures_a_panel_stays_empty() -> None:
    found = assigned([[hit("/dog.jpg", score=0.2)], [hit("/dog.jpg", score=0.9)]])
    assert [each.uri if each else None for each in found] == [None, "/dog.jpg"]
    assert assigned([[], []]) == [None, None]
