"""The contract of the layers names every room that there is, and none that there is not."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
BESIDE_THE_HOUSE = {"benchmarks", "examples", "tests"}


def contract() -> dict[str, bool]:
    """Return the rooms that the contract names, and whether each must be there."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (layers,) = (c["layers"] for c in settings["contracts"] if c["type"] == "layers")
    named = [room.strip() for layer in layers for room in re.split("[|:]", layer)]
    assert len(named) == len(set(named)), "a room stands on two layers"
    return {room.strip("()"): not room.startswith("(") for room in named}


def rooms() -> set[str]:
    """Return the packages at the top, and the folders and files of the library."""
    top = {path.parent.name for path in ROOT.glob("*/__init__.py")} - BESIDE_THE_HOUSE
    library = ROOT / "crossmodal"
    folders = {path.parent.name for path in library.glob("*/*.py")}
    files = {path.stem for path in library.glob("*.py")} - {"__init__", "__main__"}
    return (top - {"crossmodal"}) | {f"crossmodal.{name}" for name in folders | files}


def test_every_room_stands_in_the_contract() -> None:
    assert rooms() - set(contract()) == set()


def test_contract_names_no_room_that_is_gone() -> None:
    needed = {room for room, must_be_there in contract().items() if must_be_there}
    assert needed - rooms() == set()


def test_contract_reads_every_package_at_the_top() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    assert set(settings["root_packages"]) == {room.partition(".")[0] for room in rooms()}


def test_no_folder_grows_beyond_what_the_docs_say() -> None:
    said = re.search(
        r"largest folder is `([^`]+)` with (\d+)",
        (ROOT / "docs/architecture.md").read_text("utf-8"),
    )
    assert said is not None
    folders = {
        path.parent
        for room in ("crossmodal", "flows", "tasks", "deployments")
        for path in (ROOT / room).rglob("*.py")
    }
    sizes = {str(f.relative_to(ROOT)): len(list(f.glob("*.py"))) for f in folders}
    assert max(sizes.values()) <= int(said[2]), sizes


def test_modules_that_a_new_modality_touches_are_there() -> None:
    document = (ROOT / "docs/architecture.md").read_text("utf-8")
    row = next(line for line in document.splitlines() if line.startswith("| modality |"))
    named = [part for part in re.findall(r"`([^`]+)`", row) if "*" not in part]
    paths = [path for part in named for path in _spread(part)]
    missing = [
        path for path in paths if not any((ROOT / r / path).exists() for r in ("crossmodal", "."))
    ]
    assert missing == []


def _spread(text: str) -> list[str]:
    """Return the paths that ``a/{b,c}.py`` stands for."""
    inner = re.search(r"\{(.*)\}", text)
    if inner is None:
        return [text]
    return [text.replace(inner[0], name) for name in inner[1].split(",")]
