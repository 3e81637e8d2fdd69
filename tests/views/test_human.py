"""Numbers as people read them."""

from __future__ import annotations

import pytest

from crossmodal.views.human import counted, human_bytes, human_rate, human_seconds, percent


@pytest.mark.parametrize(
    ("num_bytes", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_960, "1.0 MB"), (2.5e9, "2.5 GB")],
)
def test_bytes_are_decimal(num_bytes: float, shown: str) -> None:
    assert human_bytes(num_bytes) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0123, "12 ms"),
        (0.9999, "1.0 s"),
        (59.94, "59.9 s"),
        (59.97, "1 m 00 s"),
        (185, "3 m 05 s"),
        (3599.7, "1 h 00 m"),
        (7620, "2 h 07 m"),
    ],
)
def test_seconds_never_show_sixty_of_a_unit(seconds: float, shown: str) -> None:
    assert human_seconds(seconds) == shown


@pytest.mark.parametrize(
    ("rate", "shown"), [(None, "-"), (0.0321, "0.0321"), (13.24, "13.2"), (12345.6, "12,346")]
)
def test_rates_keep_three_digits(rate: float | None, shown: str) -> None:
    assert human_rate(rate) == shown


@pytest.mark.parametrize(("share", "shown"), [(0, "0 %"), (0.001, "<1 %"), (0.924, "92 %")])
def test_a_small_share_is_not_nothing(share: float, shown: str) -> None:
    assert percent(share) == shown


def test_one_is_no_plural() -> None:
    shown = [counted(number, "file") for number in (0, 1, 1204)]
    assert shown == ["0 files", "1 file", "1,204 files"]
    assert counted(1, "entry", "entries") == "1 entry"
