"""Write a few notes and a table about what the demo's pictures show, and about what they do not.

Owns their words. Some notes share a subject with the pictures, so that one question can find both.
"""

from __future__ import annotations

import csv
from pathlib import Path


def write(dest: Path) -> Path:
    """Write Markdown notes and a CSV table into a new folder, which appears once it is whole."""
    part = dest.with_name(f"{dest.name}.part")
    part.mkdir(parents=True, exist_ok=True)
    for name, text in _NOTES.items():
        (part / f"{name}.md").write_text(text, encoding="utf-8")
    with (part / "mountains.csv").open("w", newline="", encoding="utf-8") as table:
        csv.writer(table).writerows([_HEADER, *_MOUNTAINS])
    part.replace(dest)
    return dest


_NOTES = {
    "ballooning": """# Ballooning

## When to fly

Hot air balloons take off just after sunrise or shortly before sunset. In the middle of the day the
sun heats the ground, warm air rises in gusts, and a pilot can neither steer nor land safely in it.

## How a balloon climbs

The burner heats the air in the envelope. Hot air is lighter than the cool air around it, so the
balloon rises; to come down, the pilot waits or opens a flap at the top.
""",
    "bread": """# Sourdough bread

## The leaven

Stir equal weights of flour and water and leave the jar in a warm place. Feed it every day; after
about a week it doubles within a few hours and is ready to bake with.

## Baking

Heat the oven and a heavy pot to 240 degrees, bake the loaf under the lid for twenty minutes, and
then without it until the crust is dark brown.
""",
    "first-aid": """# First aid

## Burns

Hold burnt skin under cool running water for twenty minutes. Take off rings before the finger
swells. Use no ice, butter or ointment, and leave blisters alone.

## Nosebleeds

Sit up, lean forward and pinch the soft part of the nose for ten minutes.
""",
    "garden": """# Garden calendar

## Tomatoes

Sow them indoors in March, and plant them out once the last frost is over. Water the soil and not
the leaves, or mildew will spread.

## Hedges

Birds nest in hedges from March to August: cut them in late winter.
""",
    "sailing": """# Sailing

## Strong wind

Take a reef before you need it: lower the mainsail a little, tie down what hangs loose, and the
boat heels less and obeys the helm again.

## Right of way

A boat with the wind from port keeps clear of one that has it from starboard.
""",
    "sheep": """# Keeping sheep

## Shearing

Sheep are shorn once a year in late spring, before the heat. The fleece comes off in one piece and
weighs between two and four kilogrammes.

## Lambs

A ewe carries her lambs for five months, and most are born in March and April.
""",
    "bicycle": """# Bicycle repairs

## A flat tyre

Lever the tyre off, pull out the tube, pump it up and listen for the hole. Roughen the place, spread
rubber cement, wait until it is dry, and press the patch on.

## A squeaking chain

Wipe the chain clean with a rag, put one drop of oil on each link, and wipe again.
""",
    "stars": """# The night sky

## Finding north

Follow the two stars at the front of the Plough five times their distance, and you come to the pole
star, which always stands in the north.

## Shooting stars

In the middle of August the Perseids bring about a hundred meteors an hour.
""",
}
_HEADER = ("mountain", "range", "height in metres", "first climbed", "by")
_MOUNTAINS = (
    ("Mount Everest", "Himalaya", "8849", "1953", "Tenzing Norgay and Edmund Hillary"),
    ("K2", "Karakoram", "8611", "1954", "Achille Compagnoni and Lino Lacedelli"),
    ("Aconcagua", "Andes", "6961", "1897", "Matthias Zurbriggen"),
    ("Kilimanjaro", "Kilimanjaro", "5895", "1889", "Hans Meyer and Ludwig Purtscheller"),
    ("Mont Blanc", "Alps", "4806", "1786", "Jacques Balmat and Michel Paccard"),
    ("Matterhorn", "Alps", "4478", "1865", "Edward Whymper and his party"),
)
