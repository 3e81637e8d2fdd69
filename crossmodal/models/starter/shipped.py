"""Know the shipped files of the built-in model, and tell whether they are whole.

Owns ``data/``: its checksums say what belongs there. Their digest is the weights hash of the model
versions made of it: expanded weights may differ in their last bit between processors, the shipped
files never do.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from crossmodal.errors import ModelUnavailable

DATA = Path(__file__).parent / "data"
CHECKSUMS = "checksums.txt"


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@lru_cache(maxsize=4)
def digest(shipped: Path = DATA) -> str:
    """Return the SHA-256, in hex, of all shipped files: the weights hash of the built-in model.

    Reads only the list of their checksums.

    Raises:
        ModelUnavailable: The installation lacks them.
    """
    try:
        return sha256_of(shipped / CHECKSUMS)
    except OSError as error:
        raise ModelUnavailable(_not_whole(shipped / CHECKSUMS, str(error))) from error


def check(shipped: Path = DATA) -> None:
    """Read every shipped file and compare it with its checksum.

    Raises:
        ModelUnavailable: One is missing or damaged.
    """
    for line in (shipped / CHECKSUMS).read_text("utf-8").splitlines():
        wanted, name = line.split("  ", 1)
        try:
            found = sha256_of(shipped / name)
        except OSError as error:
            raise ModelUnavailable(_not_whole(shipped / name, str(error))) from error
        if found != wanted:
            raise ModelUnavailable(_not_whole(shipped / name, "its checksum is wrong"))


def list_of(folder: Path) -> str:
    """Return the lines of a checksum file, as ``sha256sum`` writes them, in order of path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != CHECKSUMS)
    lines = [f"{sha256_of(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    return "".join(lines)


def _not_whole(path: Path, cause: str) -> str:
    return (
        f"the built-in model is not whole: {path} ({cause}). Install crossmodal again, or name "
        "another model: --model openai/clip-vit-base-patch32 or --model /path/to/folder"
    )
