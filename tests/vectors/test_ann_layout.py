from __future__ import annotations

import numpy as np
import pytest

from crossmodal.vectors.ann.layout import checksum, from_columns, to_columns, views_by_list

STARTS = np.array([0, 3, 3, 4, 9])
BITS = np.arange(27, dtype=np.uint64).reshape(9, 3)


def test_bits_of_a_list_lie_together_word_by_word() -> None:
    laid = to_columns(BITS, STARTS)
    assert laid[:9].tolist() == [0, 3, 6, 1, 4, 7, 2, 5, 8]
    views = views_by_list(laid, STARTS, 3)
    assert [view.shape for view in views] == [(3, 3), (3, 0), (3, 1), (3, 5)]
    assert (views[3] == BITS[4:].T).all()


def test_bits_that_were_laid_out_are_picked_up_row_by_row() -> None:
    assert (from_columns(to_columns(BITS, STARTS), STARTS, 3) == BITS).all()


@pytest.mark.parametrize("changed", ["codes", "rests", "step"])
def test_whatever_makes_a_score_is_in_its_checksum(changed: str) -> None:
    row = {
        "codes": np.arange(5, dtype=np.int8),
        "rests": np.arange(5, dtype=np.int16),
        "step": np.float32(0.5),
    }
    other = row | {changed: row[changed] + row[changed].dtype.type(1)}
    assert checksum(*row.values()) != checksum(*other.values())  # type: ignore[arg-type]
