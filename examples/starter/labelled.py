"""Make captions out of labels, and say which pictures are learnt from and which only measure.

Every second picture of cars/, every fourth of emoji/ that is no sign, and every second one of five
of the ten classes of clothing is learnt from; what is measured is none of these. All of
classify/imagenet1k_sample is learnt from, and nothing of classify/imagenette160 and captions/.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from examples.starter.sources import Picture, captions, labels

CAPTIONED = "train/captions.jsonl"
NUM_CAPTIONED = 360
TEMPLATES = (
    "a photo of a {}",
    "a picture of a {}",
    "{}",
    "a close-up of a {}",
    "the {}",
    "a {} outdoors",
)
CLOTHES = ("a photo of {}", "{}", "a piece of clothing: {}", "someone's {}")
LEARNT_CLOTHES = ("dress", "hat", "pants", "shirt", "shoes")
EMOJI = ("{}", "an emoji of {}", "{} emoji", "an icon: {}")
SIGNS = ("Flags", "Symbols")
NO_COLOUR = ("unsure", "two-tone", "")


def filled(templates: tuple[str, ...], label: str) -> tuple[str, ...]:
    """Return ``label`` in each of the templates."""
    return tuple(template.format(label) for template in templates)


def halves(rows: list[dict[str, str]]) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Return the rows that are learnt from, and those that are held out."""
    return rows[::2], rows[1::2]


def training_pictures(data: Path) -> list[Picture]:
    """Return the pictures that are learnt from, with the captions that their labels make."""
    return [
        *_objects(data),
        *(_car(row) for row in halves(labels(data, "cars/labels"))[0]),
        *_clothes(data),
        *(_emoji(r) for r in labels(data, "emoji/labels")[::4] if r["category"] not in SIGNS),
    ]


def _objects(data: Path) -> Iterator[Picture]:
    for row in labels(data, "classify/imagenet1k_sample"):
        label = row["label"].replace("_", " ")
        yield Picture(path=row["path"], texts=filled(TEMPLATES, label))


def _car(row: dict[str, str]) -> Picture:
    body = row["body"].lower().replace("suv", "SUV") or "car"
    kind = "sports car" if row["sports_car"] == "yes" else "car"
    colour = "" if row["color"] in NO_COLOUR else row["color"] + " "
    texts = [
        f"a {colour}{row['make']}",
        f"a {colour}{row['make']} {body}",
        f"a photo of a {row['label']}",
        f"a {colour}{kind}",
        f"a {colour}{kind}",
    ]
    return Picture(path=row["path"], texts=tuple(texts))


def _clothes(data: Path) -> Iterator[Picture]:
    for row in halves(labels(data, "classify/clothing"))[0]:
        if row["label"] in LEARNT_CLOTHES:
            label = row["label"]
            said = label if label in ("pants", "shoes") else f"a {label}"
            yield Picture(path=row["path"], texts=filled(CLOTHES, said))


def _emoji(row: dict[str, str]) -> Picture:
    return Picture(path=row["path"], texts=filled(EMOJI, row["name"].lower()))


def captioned(data: Path) -> list[Picture]:
    """Return the captioned photos whose captions are to be kept: the first ones of train/."""
    return captions(data, CAPTIONED)[:NUM_CAPTIONED]


def held_emoji(data: Path) -> list[dict[str, str]]:
    """Return a quarter of the emoji, none of which is learnt from."""
    return labels(data, "emoji/labels")[1::4]


def held_clothes(data: Path) -> list[dict[str, str]]:
    """Return the clothing that is held out: half of the learnt classes, all of the others."""
    learnt = {row["path"] for row in halves(labels(data, "classify/clothing"))[0]}
    return [
        row
        for row in labels(data, "classify/clothing")
        if row["path"] not in learnt or row["label"] not in LEARNT_CLOTHES
    ]
