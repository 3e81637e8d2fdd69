"""Index hundreds of corrupt, odd and hostile files in one run: every one gets its due."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from crossmodal.ledger.collection import Collection
from tests.shell import Shell

pytestmark = [pytest.mark.meaning, pytest.mark.process, pytest.mark.slow]

# Formats that plain Pillow cannot open but that plug-ins, or the document chunker, read: whole
# files, not broken ones.
OTHERWISE_READ = {".heic", ".heif", ".hif", ".jxl", ".avif", ".pdf", ".svg"}
# Named and shaped like nothing that is read as an image, or drawn by other programs only: skipped,
# with that as their reason.
OTHER_SUFFIXES = (".wal", ".dcm", ".eps", ".svg")
MAX_RSS_BYTES = 2_500_000_000


@pytest.fixture(scope="module")
def nasty_report(
    session_shell: Callable[[str], Shell], shared_data: Path, tiny_clip: Path
) -> tuple[Shell, dict]:
    shell = session_shell("nasty")
    report = shell.json(
        "index",
        shared_data / "nasty",
        "--model",
        tiny_clip,
        "--include-hidden",
        "--min-coverage",
        0,
    )
    return shell, report


@pytest.fixture(scope="module")
def fates(nasty_report: tuple[Shell, dict]) -> dict[str, str]:
    """Return what became of every source: ``vector``, ``skipped``, or its quarantine reason."""
    shell, _ = nasty_report
    with Collection(shell.collection).read() as con:
        rows = con.execute("""
            SELECT s.uri, CASE WHEN q.uri IS NOT NULL THEN q.reason
                WHEN s.content_hash IS NULL THEN 'skipped'
                WHEN EXISTS (
                    SELECT 1 FROM chunk c
                    JOIN (FROM vector_1_image UNION ALL FROM vector_1_text) v USING (chunk_id)
                    WHERE c.content_hash = s.content_hash) THEN 'vector' ELSE 'lost' END
            FROM source s LEFT JOIN quarantine q ON q.uri = s.uri AND q.part = ''""").fetchall()
    return dict(rows)


def test_every_image_ends_as_a_vector_or_a_quarantine_row(
    fates: dict[str, str], shared_data: Path
) -> None:
    on_disk = {str(p) for p in (shared_data / "nasty").rglob("*") if p.is_file()}
    assert set(fates) == on_disk
    assert "lost" not in fates.values()
    images = [uri for uri in fates if "/images/" in uri or "/exif_orientation/" in uri]
    assert len(images) > 250
    skipped = [
        uri for uri in images if fates[uri] == "skipped" and not uri.endswith(OTHER_SUFFIXES)
    ]
    assert skipped == []


def test_no_file_that_pillow_calls_broken_got_a_vector(
    fates: dict[str, str], shared_data: Path
) -> None:
    with (shared_data / "nasty" / "manifest.csv").open(newline="", encoding="utf-8") as rows:
        manifest = [row for row in csv.DictReader(rows) if row["kind"] == "image"]
    broken = [
        row["path"] for row in manifest if row["verdict_pillow13_or_pdfium"] not in ("ok", "")
    ]
    assert len(broken) > 90
    passed = [path for path in broken if fates[str(shared_data / path)] == "vector"]
    assert [path for path in passed if Path(path).suffix not in OTHERWISE_READ] == []


def test_whole_files_of_the_nasty_set_got_their_vector(
    fates: dict[str, str], shared_data: Path
) -> None:
    with (shared_data / "nasty" / "manifest.csv").open(newline="", encoding="utf-8") as rows:
        whole = [
            row["path"]
            for row in csv.DictReader(rows)
            if row["kind"] == "image" and row["verdict_pillow13_or_pdfium"] == "ok"
        ]
    assert len(whole) > 150
    assert [p for p in whole if fates[str(shared_data / p)] != "vector"] == []


def test_memory_stays_bounded_and_a_rerun_has_nothing_to_do(
    nasty_report: tuple[Shell, dict], shared_data: Path
) -> None:
    shell, report = nasty_report
    assert report["peak_rss_bytes"] < MAX_RSS_BYTES
    again = shell.json("index", shared_data / "nasty", "--include-hidden")
    assert again["num_embedded"] == 0
    assert set(again["counts"]) == {"unchanged"}
