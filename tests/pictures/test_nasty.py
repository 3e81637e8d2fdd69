"""Decode the nasty set: what Pillow calls broken is refused, what it calls whole decodes."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crossmodal.pictures.decode import ImageLimits, Refused, decode

REASONS = {
    "decoder_error",
    "empty",
    "too_many_pixels",
    "truncated",
    "unidentified_format",
    "unsupported_format",
}
# Whole files of these formats are unidentified only to a Pillow without plug-ins.
PLUGIN_SUFFIXES = {".heic", ".heif", ".jxl"}


@pytest.fixture(scope="module")
def manifest(shared_data: Path) -> list[dict[str, str]]:
    with (shared_data / "nasty" / "manifest.csv").open(newline="", encoding="utf-8") as stream:
        return [row for row in csv.DictReader(stream) if row["kind"] == "image"]


def outcome(path: Path) -> str:
    """Return ``ok`` or the reason of the refusal, the same at full and at reduced scale."""
    outcomes = set()
    for limits in (ImageLimits(), ImageLimits(min_side=224)):
        try:
            assert decode(path.read_bytes(), limits).image.mode == "RGB"
            outcomes.add("ok")
        except Refused as refused:
            outcomes.add(refused.reason)
    assert len(outcomes) == 1, path
    return outcomes.pop()


def test_nasty_images_decode_whole_or_are_refused(manifest, shared_data: Path) -> None:
    assert len(manifest) > 300
    wrong = []
    for row in manifest:
        path, verdict = shared_data / row["path"], row["verdict_pillow13_or_pdfium"]
        got = outcome(path)
        needs_plugin = verdict == "UnidentifiedImageError" and path.suffix in {
            ".svg",
            *PLUGIN_SUFFIXES,
        }
        allowed = {"ok": {"ok"}, "": {"ok"} | REASONS}.get(verdict, REASONS)
        if got not in (allowed | {"ok"} if needs_plugin else allowed):
            wrong.append(f"{path.name}: Pillow says {verdict!r}, decode says {got}")
    assert wrong == []


def test_files_that_need_a_plugin_decode(manifest, shared_data: Path) -> None:
    paths = [
        shared_data / row["path"]
        for row in manifest
        if Path(row["path"]).suffix in PLUGIN_SUFFIXES and int(row["bytes"]) > 0
    ]
    assert len(paths) >= 16
    assert [path.name for path in paths if outcome(path) != "ok"] == []


@pytest.mark.parametrize("orientation", range(9))
def test_photos_of_all_orientations_look_the_same(shared_data: Path, orientation: int) -> None:
    folder = shared_data / "nasty" / "exif_orientation"
    upright = decode((folder / "Landscape_1.jpg").read_bytes()).image.resize((64, 43))
    turned = decode((folder / f"Landscape_{orientation}.jpg").read_bytes()).image
    assert turned.width > turned.height
    shrunk = np.asarray(turned.resize((64, 43), Image.Resampling.BICUBIC), np.int16)
    assert np.abs(shrunk - np.asarray(upright, np.int16)).mean() < 12


def test_damaged_tiff_writes_nothing_to_the_terminal(manifest, shared_data: Path) -> None:
    paths = [str(shared_data / row["path"]) for row in manifest if row["path"].endswith(".tif")]
    code = (
        "import sys, pathlib\n"
        "from crossmodal.pictures.decode import Refused, decode\n"
        "for path in sys.argv[1:]:\n"
        "    try: decode(pathlib.Path(path).read_bytes())\n"
        "    except Refused as refused: print(refused.reason)\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code, *paths],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    assert shown.stdout.count("decoder_error") >= 5
    assert shown.stderr == ""
