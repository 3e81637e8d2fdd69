"""Lists of references, contents and boilerplate stand below prose, and are still found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from crossmodal.records import SECTION_SEPARATOR
from crossmodal.search.merge import ListHits, ranked
from crossmodal.search.prose import DEMOTION, is_prose
from tests.search import hits

REFERENCES = """[1] J. L. Ba, J. R. Kiros, and G. E. Hinton. Layer normalization. arXiv, 2016.
[2] D. Bahdanau, K. Cho, and Y. Bengio. Neural machine translation. In Proc. of ICLR, 2015.
[3] F. Chollet. Xception: deep learning with separable convolutions. pp. 1251-1258, 2017.
"""
CONTENTS = """1 Introduction ........ 3
2 Background ............ 5
3 Results . . . . . . . . 12
"""
FOOTER = "© 2024 Harbour Ltd. All rights reserved. Privacy policy. Terms of use. We use cookies."
PROSE = """In 1969 the harbour was dredged, and in 1974 and 1981 its walls were raised. Dr. J. Smith
wrote in 1983 that no ship had been lost since. Of the 41 boats of 1990, none is left."""
CITING = """Attention replaces recurrence, as was shown for translation (Bahdanau et al., 2015) and
for reading (Cheng et al., 2016). We keep what they share, a weighted mean of what was seen before,
and leave out the rest, which makes training faster by far and costs nothing in quality."""


@pytest.mark.parametrize("text", [REFERENCES, CONTENTS, FOOTER])
def test_what_only_lists_or_repeats_is_no_prose(text: str) -> None:
    assert not is_prose(text)


@pytest.mark.parametrize("text", [PROSE, CITING, "", "2019 2020 2021", "A red car.", "\u00a9 2024"])
def test_prose_with_years_names_and_citations_is_prose(text: str) -> None:
    assert is_prose(text)


@pytest.mark.parametrize("heading", ["References", "7. Bibliography:", "## Literaturverzeichnis"])
def test_a_heading_tells_whatever_stands_below_it(heading: str) -> None:
    assert not is_prose("Words.", f"Tides{SECTION_SEPARATOR}{heading}")
    assert is_prose("Words.", f"{heading}{SECTION_SEPARATOR}Tides")
    assert is_prose("Words.", f"{heading} of the moon")


def shown(cosines: list[float], merits: list[float] | None, texts: list[str]) -> list[int]:
    """Return the numbers of passages in the order in which they are shown."""
    made = [
        replace(hits.hit(f"/{i}.txt", kind="passage", modality="text", text=text), chunk_id=i)
        for i, text in enumerate(texts)
    ]
    scores = np.array(cosines, np.float32)
    given = None if merits is None else np.array(merits)
    order = ranked([ListHits(made, scores, given, np.zeros_like(scores))], 100)
    return [r.hit.chunk_id for r in order]


def test_a_list_of_references_stands_below_prose_that_is_nearly_as_good() -> None:
    assert shown([0.9, 0.5], [5.0, 5.0 - DEMOTION / 2], [REFERENCES, CITING]) == [1, 0]


def test_where_scores_are_no_merits_a_list_of_references_stands_below_prose_too() -> None:
    texts, scores = [REFERENCES, CITING, "prose", "prose", "prose"], [5.1, 5.0, 2.0, 1.0, 0.0]
    assert shown(scores, None, texts)[0] == 1


def test_a_list_of_references_that_is_far_better_stays_first() -> None:
    assert shown([0.9, 0.5], [9.0, 9.0 - 2 * DEMOTION], [REFERENCES, CITING]) == [0, 1]


def test_rows_are_never_taken_for_references() -> None:
    made = [hits.hit("/a.csv", 1, kind="rows", modality="text", text=REFERENCES)]
    made += [hits.hit("/b.csv", 2, kind="rows", modality="text", text=CITING)]
    cosines = np.array([0.9, 0.8], np.float32)
    order = ranked([ListHits(made, cosines, np.array([5.0, 4.9]), np.zeros_like(cosines))], 100)
    assert [r.hit.chunk_id for r in order] == [1, 2]
