"""The command line as a person meets it: output, JSON, clear errors, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from PIL import Image

from tests.drawn import draw_pictures
from tests.shell import CROSSMODAL, Shell

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def indexed(session_shell: Callable[[str], Shell], tiny_clip: Path) -> Iterator[tuple[Shell, Path]]:
    """Yield a shell on a collection of twelve pictures and one broken file, and their folder.

    The folder's path is short, since a table breaks a long one over two lines.
    """
    with tempfile.TemporaryDirectory() as short:
        folder = Path(short) / "pictures"
        draw_pictures(folder, 12)
        (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no more than this")
        shell = session_shell("commands")
        shell.run("index", folder, "--model", tiny_clip, "--min-coverage", 0.5)
        yield shell, folder


def failure(shell: Shell, *arguments: object) -> str:
    """Return what the command says on standard error as it fails with exit code 1."""
    done = shell.run(*arguments, expect=1)
    assert "Traceback" not in done.stderr
    return done.stderr


def test_search_shows_scores_and_paths_and_writes_a_contact_sheet(
    indexed: tuple[Shell, Path], tmp_path: Path
) -> None:
    shell, folder = indexed
    sheet = tmp_path / "sheet.png"
    shown = shell.run("search", "a circle", "a line", "-k", 3, "--contact-sheet", sheet).stdout
    assert shown.count(str(folder)) == 6
    with Image.open(sheet) as image:
        assert image.format == "PNG"


def test_search_pages_do_not_overlap_and_filters_apply_before_the_top_k(
    indexed: tuple[Shell, Path],
) -> None:
    shell, _ = indexed
    pages = [
        shell.json("search", "a circle", "-k", 4, "--offset", offset)[0]["hits"]
        for offset in (0, 4)
    ]
    assert len({hit["uri"] for page in pages for hit in page}) == 8
    filtered = shell.json("search", "a circle", "-k", 3, "--where", "path=*.png")[0]["hits"]
    assert filtered
    assert all(hit["uri"].endswith(".png") for hit in filtered)


def test_status_quarantine_and_profile_speak_json(
    indexed: tuple[Shell, Path], tmp_path: Path
) -> None:
    shell, folder = indexed
    assert shell.json("status")["num_sources"] == 13
    (refused,) = shell.json("quarantine")
    assert refused["uri"] == str(folder / "broken.jpg")
    trace = tmp_path / "trace.json"
    profile = shell.json("profile", "--trace", trace)
    assert "embed" in [stage["name"] for stage in profile["profile"]["stages"]]
    names = {event["name"] for event in json.loads(trace.read_text())["traceEvents"]}
    assert {"read", "decode", "forward", "store"} <= names


def test_tables_for_people_are_printed_without_json(indexed: tuple[Shell, Path]) -> None:
    shell, _ = indexed
    assert "13" in shell.run("status").stdout
    assert "broken.jpg" in shell.run("quarantine").stdout
    assert "bound" in shell.run("profile").stdout


def test_missing_collection_is_said_so(shell: Callable[..., Shell]) -> None:
    said = failure(shell("none"), "search", "a circle")
    assert "there is no collection" in said
    assert "crossmodal index" in said


def test_unknown_model_names_the_known_ones(indexed: tuple[Shell, Path]) -> None:
    said = failure(indexed[0], "search", "a circle", "--model", "openai/clip-vit-large-patch14")
    assert "openai/clip-vit-large-patch14" in said
    assert "tiny-clip@" in said


def test_filter_that_cannot_be_understood_is_explained(indexed: tuple[Shell, Path]) -> None:
    done = indexed[0].run("search", "a circle", "--where", "size>many", expect=2)
    assert "--where" in done.stderr
    assert "size>100kB" in done.stderr


def test_picture_that_cannot_be_read_is_explained(indexed: tuple[Shell, Path]) -> None:
    shell, folder = indexed
    said = failure(shell, "search", "--image", folder / "broken.jpg")
    assert "broken.jpg cannot be used as a picture" in said


def test_unreachable_hub_says_how_to_use_a_directory(
    shell: Callable[..., Shell], pictures: Path, tmp_path: Path
) -> None:
    offline = shell("offline")
    environment = offline.environment | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")}
    hub_id = "openai/clip-vit-base-patch32"
    said = failure(Shell(offline.collection, environment), "index", pictures, "--model", hub_id)
    assert hub_id in said
    assert "--model /path/to/folder" in said
    assert "--model starter" in said


def test_wrong_option_value_ends_with_exit_code_2(indexed: tuple[Shell, Path]) -> None:
    shell, folder = indexed
    said = shell.run("index", folder, "--min-coverage", 7, expect=2).stderr
    assert "--min-coverage" in said


def test_dry_run_says_what_would_be_done_and_does_nothing(
    indexed: tuple[Shell, Path], tmp_path: Path
) -> None:
    shell, _ = indexed
    draw_pictures(tmp_path / "more", 15)  # twelve of them are known
    before = shell.json("status")["num_sources"]
    shown = shell.json("index", tmp_path / "more", "--dry-run")
    assert shown["num_to_embed"] == 3
    assert shown["eta_s"] > 0
    assert shell.json("status")["num_sources"] == before


def test_only_paths_are_printed_for_other_programs(indexed: tuple[Shell, Path]) -> None:
    shell, folder = indexed
    shown = shell.run("search", "a circle", "-k", 3, "-f").stdout.splitlines()
    assert len(shown) == 3
    assert all(Path(line).parent == folder and Path(line).is_file() for line in shown)
    assert shell.run("search", "a circle", "-f", "--where", "path=*/none/*").stdout == ""


def test_version_is_said(indexed: tuple[Shell, Path]) -> None:
    done = subprocess.run([CROSSMODAL, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"crossmodal {version('crossmodal')}\n"


def test_shells_complete_commands_and_the_options_of_their_forms() -> None:
    def completed(words: str) -> str:
        environment = os.environ | {"_CROSSMODAL_COMPLETE": "complete_bash", "COMP_WORDS": words}
        environment["COMP_CWORD"] = str(len(words.split()) - 1)
        done = subprocess.run([CROSSMODAL], env=environment, capture_output=True, text=True)
        return done.stdout

    assert "backfills" in completed("crossmodal back")
    assert "--exclude" in completed("crossmodal index --ex")
