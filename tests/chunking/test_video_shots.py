"""Choose frames from times and signatures alone."""

from __future__ import annotations

import numpy as np
import pytest

from crossmodal.chunking.video.shots import sampler

RNG = np.random.default_rng(7)
PAGES = RNG.integers(0, 255, (8, 3, 36, 64)).astype(np.int16)
BLACK = np.full((3, 36, 64), 16, np.int16)


def shots(sampling, frames, interval_s=5.0):
    """Return (start, frame time) of the shots; ``frames`` is (time, signature) or time alone."""
    chooser = sampler(sampling, interval_s)
    ended = []
    for frame in frames:
        time_s, signature = frame if isinstance(frame, tuple) else (frame, PAGES[0])
        ended.append(chooser.push(time_s, time_s, is_key=time_s % 1 == 0, signature=signature))
    ended.append(chooser.finish())
    assert all(shot.frame == shot.frame_s for shot in ended if shot)
    return [(shot.start_s, shot.frame_s) for shot in ended if shot]


def still(page, start_s, stop_s, step_s=0.1):
    return [(round(at, 3), page) for at in np.arange(start_s, stop_s, step_s)]


def test_every_key_frame_is_taken() -> None:
    assert [start for start, _ in shots("keyframes", [0.0, 0.3, 1.0, 1.6, 2.0])] == [0.0, 1.0, 2.0]


def test_a_film_of_key_frames_alone_gives_at_most_two_a_second() -> None:
    chooser = sampler("keyframes", 5.0)
    taken = [chooser.push(at / 25, at, is_key=True, signature=None) for at in range(250)]
    assert 10 <= sum(shot is not None for shot in taken) <= 20


def test_an_interval_counts_from_the_start_of_the_film_not_from_the_last_frame() -> None:
    taken = shots("interval", [at * 0.3 for at in range(60)], interval_s=2.0)
    assert [start // 2 for start, _ in taken] == list(range(9))
    assert all(start % 2 < 0.3 for start, _ in taken)


def test_a_cut_begins_a_shot() -> None:
    frames = still(PAGES[0], 0, 2) + still(PAGES[1], 2, 3.5)
    assert [start for start, _ in shots("scenes", frames)] == [0.0, 2.0]


def test_a_still_scene_gives_a_frame_every_interval() -> None:
    assert [start for start, _ in shots("scenes", still(PAGES[0], 0, 12))] == pytest.approx(
        [0.0, 5.0, 10.0]
    )


def test_a_slow_change_begins_a_shot_although_no_frame_jumps() -> None:
    frames = []
    for number, (time_s, _) in enumerate(still(BLACK, 0, 4)):
        share = min(1.0, number / 30)
        frames.append((time_s, (PAGES[0] * (1 - share) + PAGES[1] * share).astype(np.int16)))
    starts = [start for start, _ in shots("scenes", frames)]
    assert starts[0] == 0.0
    assert any(2.0 <= start < 4.0 for start in starts)


def test_steady_motion_is_not_taken_for_cuts() -> None:
    wide = np.kron(RNG.integers(60, 190, (3, 9, 40)), np.ones((1, 4, 8))).astype(np.int16)
    frames = [(at / 25, wide[:, :, at : at + 64]) for at in range(120)]
    assert len(shots("scenes", frames)) <= 3


def test_a_film_that_never_rests_stops_giving_cuts() -> None:
    frames = [(at / 25, PAGES[at % 8]) for at in range(500)]
    assert len(shots("scenes", frames)) <= 12


def test_scenes_shorter_than_half_a_second_share_a_shot() -> None:
    frames = [(at / 10, PAGES[at // 2 % 8]) for at in range(40)]
    starts = [start for start, _ in shots("scenes", frames)]
    assert np.diff(starts).min() >= 0.5 - 1e-6


def test_a_black_beginning_gives_way_to_the_first_picture() -> None:
    page = np.clip(PAGES[0] // 40 + 16, 0, 255).astype(np.int16)
    frames = still(BLACK, 0, 1.0) + still(page, 1.0, 3.0)
    (start, shown), *_ = shots("scenes", frames)
    assert start == 0.0
    assert shown >= 1.0


def test_no_frame_gives_no_shot() -> None:
    assert shots("scenes", []) == []
