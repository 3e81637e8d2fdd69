"""Cut real films: every labelled stretch gets a frame under the default rules."""

from __future__ import annotations

import csv
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest

from crossmodal.chunking.pieces import Piece, Source
from crossmodal.chunking.rules import ChunkRules
from crossmodal.chunking.video import cut as video
from crossmodal.errors import Refused
from tests.chunking.clips import tools


def cut(path: Path, rules: ChunkRules | None = None) -> list[Piece]:
    source = Source(str(path), "video/mp4", path.read_bytes())
    pieces = list(video.cut(source, rules or ChunkRules(), tools(min_side=224)))
    assert all(isinstance(piece, Piece) for piece in pieces)
    return pieces


def test_every_labelled_stretch_gets_exactly_one_frame(shared_data: Path) -> None:
    stretches = defaultdict(set)
    with (shared_data / "video" / "segments.csv").open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            stretches[row["path"]].add((float(row["t_start"]), float(row["t_end"])))
    assert sum(map(len, stretches.values())) == 30
    for path, wanted in stretches.items():
        frames = [piece.position for piece in cut(shared_data / path)]
        for start_s, end_s in wanted:
            inside = [frame for frame in frames if start_s <= frame["frame_s"] < end_s]
            assert len(inside) == 1, (path, start_s)
            assert inside[0]["start_s"] == pytest.approx(start_s, abs=0.11)


def test_real_films_have_no_gap_longer_than_the_interval(shared_data: Path) -> None:
    paths = sorted((shared_data / "video").glob("*.mp4"))
    assert len(paths) == 11
    for path in paths:
        positions = [piece.position for piece in cut(path)]
        assert positions[0]["start_s"] == 0.0
        for before, after in pairwise(positions):
            assert before["end_s"] == after["start_s"]
        assert all(spot["end_s"] - spot["start_s"] <= 5.1 for spot in positions[:-1]), path


def outcome(data: bytes) -> str:
    """Return the reason of the refusal or of the last flaw."""
    try:
        *frames, flaw = video.cut(Source("cut.mp4", "video/mp4", data), ChunkRules(), tools())
    except Refused as refused:
        return refused.reason
    return f"{flaw.reason} after {'some' if frames else 'no'} frames"


def test_a_real_film_cut_off_anywhere_is_refused_or_flawed(shared_data: Path) -> None:
    data = (shared_data / "video" / "earth_rotating.mp4").read_bytes()
    outcomes = [outcome(data[: int(len(data) * share)]) for share in (0.001, 0.3, 0.6, 0.9)]
    assert outcomes[0] in {"decoder_error", "truncated"}
    assert outcomes[1:] == ["truncated after some frames"] * 3
