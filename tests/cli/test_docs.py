"""What the pages point at is there: files, headings, commands and their options."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from crossmodal.cli.main import command_names, make_app
from tests.conftest import ROOT

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
# The log of changes may name what is gone since.
TODAY = [page for page in PAGES if page.name != "CHANGELOG.md"]
FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
# Options that the pages name and other programs have: FFmpeg, docker build, docker run.
OTHERS = {"--enable-gpl", "--build-arg", "--shm-size"}


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives a page's headings; one said again gets a number."""
    found: list[str] = []
    for title in re.findall(
        r"^#{1,6} +(.+?) *$", FENCED.sub("", page.read_text("utf-8")), re.MULTILINE
    ):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower()
        found.append(re.sub(r"[^\w\- ]", "", words).replace(" ", "-"))
    return {
        name if not (before := found[:place].count(name)) else f"{name}-{before}"
        for place, name in enumerate(found)
    }


def dead(page: Path) -> list[str]:
    """Return the links of a page to a file or a heading of the project that is not there."""
    prose = re.sub(r"`[^`\n]*`", "", FENCED.sub("", page.read_text("utf-8")))
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", prose) if not re.match(r"\w+:", link)]
    lost = []
    for link in links:
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    return lost


def unknown(page: Path, app: Any) -> list[str]:
    """Return the options that a page gives to a command which has none of that name."""
    lost = []
    for said in re.findall(r"\bcrossmodal ([a-z][^`#|\n]*)", page.read_text("utf-8")):
        command, depth = app, 0
        for word in said.split():
            inner = getattr(command, "commands", {})
            if word not in inner:
                break
            command, depth = inner[word], depth + 1
        if depth:
            known = options(command) | {"--help"}
            lost += [
                f"{option} in: crossmodal {said}"
                for option in re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", said)
                if option not in known
            ]
    return lost


def options(command: Any) -> set[str]:
    return {name for known in command.params for name in [*known.opts, *known.secondary_opts]}


def everything(command: Any) -> set[str]:
    """Return the options of a command and of all below it."""
    inner = getattr(command, "commands", {}).values()
    return options(command).union(*map(everything, inner))


@pytest.fixture(scope="module")
def app() -> Any:
    return typer.main.get_command(make_app(command_names()))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert dead(page) == []


def test_a_link_to_a_heading_that_is_not_there_is_dead(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A `title`, said\n# A title said\n[a](#a-title-said) [b](#a-title-said-1) [c](#a-title)\n"
        "[d](gone.md) [e](page.md#nothing) [f](https://there.example/x#y) `[g](no-link.md)`\n",
        encoding="utf-8",
    )
    assert dead(page) == ["#a-title", "gone.md", "page.md#nothing"]


@pytest.mark.parametrize("page", TODAY, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_option_that_a_page_names_is_one(page: Path, app: Any) -> None:
    assert unknown(page, app) == []
    named = set(re.findall(r"`(--[a-z][\w-]*)", page.read_text("utf-8")))
    assert named <= everything(app) | OTHERS | {"--help"}


def test_an_option_that_no_command_has_is_told(tmp_path: Path, app: Any) -> None:
    page = tmp_path / "page.md"
    page.write_text("`crossmodal search x --nothing -k 3`, `crossmodal saved list --name x`\n")
    assert [each.split(" in:")[0] for each in unknown(page, app)] == ["--nothing", "--name"]
