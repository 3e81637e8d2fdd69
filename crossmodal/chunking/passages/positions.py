"""Say where a passage stands from where its blocks stand.

Owns the rules by which positions and facts of several blocks become one; refuses to know what
parser made them. Ranges run from the first block to the last, a number that changes gets an
``..._end`` beside it (page, page_end), boxes are united while they lie on one page.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crossmodal.chunking.passages.blocks import Block

_RANGES = {"chars", "rows"}
_BOX = "box"


def part_position(block: Block, begin: int, stop: int) -> dict[str, Any]:
    """Return the position of the characters [begin, stop) of a block.

    Only its ``chars`` become narrower, and only where they are as many as those of its text.
    """
    chars = block.position.get("chars")
    if not chars or chars[1] - chars[0] != len(block.text):
        return block.position
    return {**block.position, "chars": [chars[0] + begin, chars[0] + stop]}


def joined_position(positions: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the position of blocks that follow each other; keys that only some have count."""
    first, last = positions[0], positions[-1]
    if len(positions) == 1:
        return first
    joined: dict[str, Any] = {}
    for key in dict.fromkeys(key for position in positions for key in position):
        joined |= _joined(key, [position for position in positions if key in position])
    if _BOX in joined and first.get("page") != last.get("page_end", last.get("page")):
        del joined[_BOX]
    return joined


def _joined(key: str, positions: list[dict[str, Any]]) -> dict[str, Any]:
    first, last = positions[0][key], positions[-1][key]
    if key in _RANGES:
        return {key: [first[0], last[1]]}
    if key == _BOX:
        lefts, tops, rights, bottoms = zip(*(p[key] for p in positions), strict=True)
        return {key: [min(lefts), min(tops), max(rights), max(bottoms)]}
    if key.startswith("end_"):
        return {key: last}
    if key.endswith("_end") and key.removesuffix("_end") in positions[-1]:
        return {}  # comes with the key that it ends
    last = positions[-1].get(f"{key}_end", last)
    if key.startswith("start_") or first == last or not isinstance(first, int | float):
        return {key: first}
    return {key: first, f"{key}_end": last}


def joined_facts(blocks: Sequence[Block]) -> dict[str, Any]:
    """Return what no block contradicts."""
    facts: dict[str, Any] = {}
    contradicted: set[str] = set()
    for block in blocks:
        for key, value in block.facts.items():
            if facts.setdefault(key, value) != value:
                contradicted.add(key)
    return {key: value for key, value in facts.items() if key not in contradicted}
