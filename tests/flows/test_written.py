"""What is written in pictures and scans is found by its words, once it is asked for."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from crossmodal.errors import ExtraMissing
from crossmodal.ledger.collection import Collection
from crossmodal.recognition import ocr
from flows.index import index
from flows.search import search
from tests.chunking.clips import film

pytest.importorskip("rapidocr", reason="the extra ocr is not installed")
pytestmark = pytest.mark.usefixtures("prefect")


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """Return a folder with a photo of a sign, a scanned letter, a plain picture and a note."""
    folder = tmp_path / "desk"
    folder.mkdir()
    lettered("NO PARKING").save(folder / "sign.png")
    Image.new("RGB", (300, 200), "skyblue").save(folder / "sky.png")
    scan = io.BytesIO()
    lettered("Claim 7741", "was refused", "by the insurer").save(scan, "PDF", resolution=150)
    (folder / "letter.pdf").write_bytes(scan.getvalue())
    (folder / "note.md").write_text("The garden needs water.\n")
    return folder


def lettered(*lines: str) -> Image.Image:
    picture = Image.new("RGB", (1000, 100 + 120 * len(lines)), "white")
    pen = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        pen.text((60, 60 + 120 * number), line, "black", ImageFont.load_default(64))
    return picture


def run_index(tmp_path: Path, folder: Path, model: Path, **options: Any) -> dict[str, Any]:
    collection = str(tmp_path / "desk.duckdb")
    return index(collection=collection, paths=[str(folder)], model=str(model), **options)


def rows(tmp_path: Path) -> list[tuple[Any, ...]]:
    with Collection(tmp_path / "desk.duckdb").read() as con:
        return con.execute(
            "SELECT parse_filename(uri), kind, text, parent, meta->>'page' FROM chunk "
            "JOIN source USING (content_hash) WHERE kind = 'ocr' ORDER BY uri, ordinal"
        ).fetchall()


def test_words_in_pictures_and_scans_are_found_and_belong_to_their_picture(
    desk: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    run_index(tmp_path, desk, tiny_clip, ocr=True)
    first, *_, last = found = rows(tmp_path)
    assert {name for name, *_ in found} == {"letter.pdf", "sign.png"}
    assert first[2].startswith("Claim 7741")
    assert first[3:] == (0, "1")
    assert last == ("sign.png", "ocr", "NO PARKING", 0, None)
    answer = search(collection=str(tmp_path / "desk.duckdb"), text="claim 7741", mode="words")
    assert answer["hits"][0]["uri"].endswith("letter.pdf")


def test_only_pictures_and_documents_are_cut_anew_and_later_runs_do_nothing(
    desk: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    run_index(tmp_path, desk, tiny_clip)
    assert rows(tmp_path) == []
    again = run_index(tmp_path, desk, tiny_clip, ocr=True)
    assert again["counts"]["changed"] == 3
    assert run_index(tmp_path, desk, tiny_clip)["num_embedded"] == 0
    assert {name for name, *_ in rows(tmp_path)} == {"letter.pdf", "sign.png"}


def test_missing_engine_is_told_before_anything_is_read(
    desk: Path, tiny_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ocr, "find_spec", lambda _: None)
    with pytest.raises(ExtraMissing, match=r"crossmodal\[ocr\]"):
        run_index(tmp_path, desk, tiny_clip, ocr=True)


def test_text_seen_in_a_film_is_found_with_its_second(
    desk: Path, tiny_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = [lettered("ARRIVALS").resize((640, 140)), lettered("GATE SEVEN").resize((640, 140))]
    pictures = [np.asarray(picture) for picture in shown for _ in range(20)]
    (desk / "station.mp4").write_bytes(film(pictures))
    run_index(tmp_path, desk, tiny_clip, ocr=True)
    answer = search(collection=str(tmp_path / "desk.duckdb"), text="gate seven", mode="words")
    hit = answer["hits"][0]
    assert hit["uri"].endswith("station.mp4")
    assert hit["kind"] == "ocr"
    assert 2 <= hit["meta"]["start_s"] < 4
    monkeypatch.setattr(ocr.TextReader, "read", lambda *_: pytest.fail("a picture was read again"))
    assert run_index(tmp_path, desk, tiny_clip)["num_embedded"] == 0
