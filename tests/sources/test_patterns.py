"""What a glob matches, and which folders a walk for it enters."""

from __future__ import annotations

import pytest

from crossmodal.errors import PathError
from crossmodal.sources.listing.patterns import GlobPattern

PATHS = [
    "/p/a.jpg",
    "/p/a.png",
    "/p/.hidden.jpg",
    "/p/2023/b.jpg",
    "/p/2024/c.jpg",
    "/p/2024/may/d.jpg",
    "/p/2024/.thumbs/e.jpg",
    "/p/new\nline/f.jpg",
]


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("*.jpg", ["a.jpg"]),
        ("*", ["a.jpg", "a.png"]),
        ("?.jp[ge]", ["a.jpg"]),
        ("[!b].*", ["a.jpg", "a.png"]),
        ("*/*.jpg", ["2023/b.jpg", "2024/c.jpg", "new\nline/f.jpg"]),
        ("202[4-5]/*.jpg", ["2024/c.jpg"]),
        ("**/may/*", ["2024/may/d.jpg"]),
        ("2024/**", ["2024/c.jpg", "2024/may/d.jpg"]),
        (".h*", [".hidden.jpg"]),
        ("2024/.thumbs/*", ["2024/.thumbs/e.jpg"]),
        (
            "**/*.jpg",
            ["a.jpg", "2023/b.jpg", "2024/c.jpg", "2024/may/d.jpg", "new\nline/f.jpg"],
        ),
    ],
)
def test_pattern_matches(pattern: str, matches: list[str]) -> None:
    glob = GlobPattern(f"/p/{pattern}")
    below = [path for path in PATHS if path.startswith(f"{glob.base}/")]
    assert [path for path in below if glob.matches(path)] == [f"/p/{name}" for name in matches]


def test_hidden_names_are_matched_on_request() -> None:
    glob = GlobPattern("/p/**/*.jpg", include_hidden=True)
    assert glob.matches("/p/2024/.thumbs/e.jpg")
    assert glob.may_hold("/p/2024/.thumbs")


def test_walk_enters_only_folders_that_can_hold_a_match() -> None:
    glob = GlobPattern("/p/20*/*.jpg")
    assert glob.base == "/p"
    assert glob.may_hold("/p/2024")
    assert not glob.may_hold("/p/old")
    assert not glob.may_hold("/p/2024/may")
    assert GlobPattern("/p/**/*.jpg").may_hold("/p/2024/may")


def test_unclosed_bracket_is_an_ordinary_character() -> None:
    assert GlobPattern("/p/a[*").matches("/p/a[b")


def test_range_that_runs_backwards_is_an_error() -> None:
    with pytest.raises(PathError, match=r"z-a"):
        GlobPattern("/p/[z-a]*")
