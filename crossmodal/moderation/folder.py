"""Read a folder of policies: ``<id>/policy.md`` and, beside it, ``examples.csv``.

Owns what one broken policy does to the others: nothing. It is left out, and a sentence says why.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from crossmodal.errors import PathError
from crossmodal.files.local import open_regular
from crossmodal.moderation.policy import (
    Example,
    Policy,
    PolicyError,
    Side,
    parse_policy,
    text_example,
)
from crossmodal.views.human import printable

MAX_TEXT_BYTES = 1_000_000
MAX_PICTURE_BYTES = 100_000_000
MAX_EXAMPLES = 2000


@dataclass(frozen=True, slots=True)
class PolicyFolder:
    """Hold the policies of a folder that can be used, and a sentence on each that cannot."""

    policies: tuple[Policy, ...]
    """By id."""
    problems: tuple[str, ...]


def read_policies(folder: str) -> PolicyFolder:
    """Return the policies of a folder, or the one policy of a folder that holds ``policy.md``.

    Raises:
        PathError: there is no such folder, or nothing in it that could be a policy.
    """
    files = _policy_files(Path(folder).expanduser())
    found: dict[str, list[tuple[Path, Policy]]] = defaultdict(list)
    problems = []
    for file in files:
        try:
            policy = _read(file)
            found[policy.id].append((file, policy))
        except PolicyError as error:
            problems.append(str(error))
    for name, same in found.items():
        if len(same) > 1:
            places = " and ".join(_shown(file) for file, _ in same)
            problems.append(f"{places} have the same id {name!r}: give each its own; none is used")
    alone = (same[0][1] for _, same in sorted(found.items()) if len(same) == 1)
    return PolicyFolder(tuple(alone), tuple(problems))


def _policy_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise PathError(
            f"{printable(str(folder))} is no folder: name one that holds a folder with policy.md "
            "for each policy"
        )
    own = folder / "policy.md"
    if own.is_file():
        return [own]
    files = sorted(entry / "policy.md" for entry in folder.iterdir() if entry.is_dir())
    files = [file for file in files if file.exists()]
    if not files:
        raise PathError(
            f"{printable(str(folder))} holds no policy: make a folder for each, with a file "
            "policy.md in it"
        )
    return files


def _read(file: Path) -> Policy:
    place = _shown(file)
    policy = parse_policy(_text_of(file), place)
    table = file.with_name("examples.csv")
    more = _examples_of(table) if table.exists() else []
    return replace(policy, examples=_agreed([*policy.examples, *more], place))


def _shown(file: Path) -> str:
    return printable("/".join(file.parts[-2:]))


def _bytes_of(file: Path, most: int) -> bytes:
    try:
        with open_regular(str(file)) as opened:
            data: bytes = opened.read(most + 1)
    except OSError as error:
        raise PolicyError(
            f"{_shown(file)} cannot be read: {error.strerror or error}: put it in place or take "
            "its row out"
        ) from error
    if len(data) > most:
        raise PolicyError(f"{_shown(file)} is larger than {most / 1e6:.0f} MB, which is allowed")
    return data


def _text_of(file: Path) -> str:
    try:
        text = _bytes_of(file, MAX_TEXT_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PolicyError(f"{_shown(file)} is not UTF-8: save it as UTF-8") from error
    return text.replace("\r\n", "\n")


def _examples_of(table: Path) -> list[Example]:
    rows = csv.DictReader(io.StringIO(_text_of(table), newline=""), strict=True)
    place = _shown(table)
    try:
        columns = set(rows.fieldnames or ())
        if "label" not in columns or not columns & {"path", "text"}:
            raise PolicyError(
                f"{place}: its first line has to name the columns label and path or text, not "
                f"{printable(', '.join(rows.fieldnames or ())) or 'nothing'}"
            )
        found = [_example(row, f"{place} line {rows.line_num}", table.parent) for row in rows]
    except csv.Error as error:
        raise PolicyError(f"{place} line {rows.line_num} is no CSV: {error}") from error
    if len(found) > MAX_EXAMPLES:
        raise PolicyError(f"{place} has {len(found):,} examples, allowed are {MAX_EXAMPLES:,}")
    return found


def _example(row: dict[str, str], place: str, folder: Path) -> Example:
    label = (row.get("label") or "").strip().lower()
    if label not in ("violates", "allowed"):
        raise PolicyError(f"{place}: the label is {label!r}: allowed are violates and allowed")
    side: Side = "violates" if label == "violates" else "allowed"
    path, text = ((row.get(name) or "").strip() for name in ("path", "text"))
    if bool(path) == bool(text):
        raise PolicyError(
            f"{place}: an example is either a path or a text, and this is "
            f"{'both' if path else 'neither'}"
        )
    return _picture_example(side, path, folder) if path else text_example(side, text)


def _picture_example(side: Side, path: str, folder: Path) -> Example:
    place = Path(os.path.abspath(folder / Path(path).expanduser()))
    digest = hashlib.sha256(_bytes_of(place, MAX_PICTURE_BYTES)).hexdigest()
    return Example(side=side, path=str(place), shown=path, content_hash=digest)


def _agreed(examples: Iterable[Example], place: str) -> tuple[Example, ...]:
    """Return each example once.

    Raises:
        PolicyError: one is said to violate the policy and to be allowed.
    """
    kept: dict[str, Example] = {}
    for example in examples:
        other = kept.setdefault(example.content_hash, example)
        if other.side != example.side:
            raise PolicyError(
                f"{place}: its examples contradict each other: {printable(example.shown[:100])!r} "
                f"is {example.side}, and {printable(other.shown[:100])!r}, which is the same, is "
                f"{other.side}"
            )
    return tuple(kept.values())
