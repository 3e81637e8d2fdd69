"""How many chunks are expected of a source, and how they are counted."""

from __future__ import annotations

import pytest

from crossmodal.embedding.through import expected_chunks


@pytest.mark.parametrize(
    ("media_type", "size_bytes", "expected"),
    [
        ("image/jpeg", 40, 1),
        ("image/jpeg", 40_000_000, 1),
        ("text/plain", 0, 1),
        ("text/plain", 450_000, 1_000),
        ("text/html", 450_000, 150),
        ("application/pdf", 1_000_000, 200),
        ("application/epub+zip", 400_000, 20),
        ("video/mp4", 1_300_000, 10),
        ("", 4_500, 10),
    ],
)
def test_a_photo_is_one_chunk_and_a_text_as_many_as_it_has_passages(
    media_type: str, size_bytes: int, expected: float
) -> None:
    assert expected_chunks(media_type, size_bytes) == expected
