"""Cut the real and the nasty documents of the data pack: pieces, or a reason; never a crash."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from crossmodal.chunking.pieces import Flaw, Piece
from crossmodal.errors import Refused
from tests.chunking.document_makers import TYPES, of_kind, pieces, reason, words

FORMAT_REASONS = {"damaged", "encrypted", "no_content", "empty"}
# A few pages of the pack hold this many passages or figures at least.
EXPECTED = {
    "attention-1706.03762.pdf": {"passage": 25, "figure": 6},
    "GeoTopo-komprimiert.pdf": {"passage": 100, "figure": 60},
    "Vector_database.pdf": {"passage": 8},
    "amt_handbook_sample.pdf": {"passage": 2, "figure": 1},
    "cmyk-image.pdf": {"page_image": 1},
    "scan_ocr_test.pdf": {"page_image": 1},
    "fr_olap.pdf": {"passage": 20, "figure": 6},
    "redp5110_sampled.pdf": {"passage": 20, "figure": 10},
    "docx_grouped_images.docx": {"passage": 1, "figure": 3},
    "word_sample.docx": {"passage": 1, "figure": 1},
    "powerpoint_with_image.pptx": {"passage": 1, "figure": 1},
    "epub_purvis_poetry.epub": {"passage": 10, "figure": 2},
}


def documents(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix[1:] in TYPES)


def check(piece: Piece) -> None:
    """Assert what every piece of a document promises."""
    if piece.modality == "text":
        assert piece.kind == "passage"
        assert piece.text.strip()
        assert piece.picture is None
    else:
        assert piece.kind in ("figure", "page_image")
        assert isinstance(piece.picture, np.ndarray)
        assert piece.picture.ndim == 3
        assert piece.picture.dtype == np.uint8
        assert piece.picture.shape[2] == 3


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_real_documents_give_what_a_reader_sees(shared_data: Path, name: str) -> None:
    path = shared_data / "documents" / name
    found = pieces(path.read_bytes(), path.suffix[1:], min_side=224)
    counts = Counter(piece.kind for piece in found if isinstance(piece, Piece))
    for kind, least in EXPECTED[name].items():
        assert counts[kind] >= least, counts
    for piece in found:
        assert isinstance(piece, Piece), piece
        check(piece)


def test_all_documents_are_cut_or_refused_in_bounded_time(shared_data: Path) -> None:
    paths = documents(shared_data / "documents") + documents(shared_data / "nasty")
    assert len(paths) > 70
    wrong = []
    for path in paths:
        started = time.monotonic()
        try:
            found = pieces(path.read_bytes(), path.suffix[1:], max_seconds=120.0)
            assert any(isinstance(piece, Piece) for piece in found)
        except Refused as refused:
            if refused.reason not in FORMAT_REASONS:
                wrong.append(f"{path.name}: {refused}")
        if time.monotonic() - started > 90:
            wrong.append(f"{path.name}: took too long")
    assert wrong == []


def test_locked_files_are_told_from_broken_ones(shared_data: Path) -> None:
    folder = shared_data / "nasty" / "pdf"
    for name in ("password.pdf", "libreoffice-writer-password.pdf", "issue3371.pdf"):
        assert reason((folder / name).read_bytes(), "pdf") == "encrypted"
        assert reason((folder / "REDHAT-1531897-0.pdf").read_bytes(), "pdf") == "damaged"
        assert reason((folder / "poppler-395-0-fuzzed.pdf").read_bytes(), "pdf") == "damaged"


def test_paper_has_its_sections_captions_and_no_page_numbers(shared_data: Path) -> None:
    path = shared_data / "documents" / "attention-1706.03762.pdf"
    found = pieces(path.read_bytes(), "pdf")
    figures = of_kind(found, "figure")
    assert figures[0].caption == "Figure 1: The Transformer - model architecture."
    assert figures[0].section == ("Model Architecture", "Attention")
    assert all(figure.caption.startswith("Figure") for figure in figures)
    assert "Figure 1:" in found[figures[0].parent].text
    assert "nearly the same way.\n\n3\n\n" not in words(found)


@pytest.mark.parametrize("name", ["word_sample.docx", "epub_purvis_poetry.epub", "fr_olap.pdf"])
def test_cut_off_and_garbled_documents_never_crash_the_parser(shared_data: Path, name: str) -> None:
    path = shared_data / "documents" / name
    whole = path.read_bytes()
    random = np.random.default_rng(7)
    for turn in range(12):
        data = bytearray(whole[: len(whole) * (turn + 1) // 13] if turn % 2 else whole)
        for at in random.integers(0, len(data), 40):
            data[at] = int(random.integers(0, 256))
        assert reason(bytes(data), path.suffix[1:], max_seconds=120.0) in (
            FORMAT_REASONS | {"cut", "zip_bomb"}
        )


def test_flaws_name_their_part(shared_data: Path) -> None:
    path = shared_data / "documents" / "word_sample.docx"
    data = bytearray(path.read_bytes())
    at = data.index(b"\x89PNG") if b"\x89PNG" in data else data.index(b"word/media/") + 200
    data[at + 60 : at + 90] = bytes(30)
    flaws = [piece for piece in pieces(bytes(data), "docx") if isinstance(piece, Flaw)]
    assert [flaw.part for flaw in flaws] == ["figure 1"]
