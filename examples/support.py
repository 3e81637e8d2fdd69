"""Make the files of a parcel service's help desk, and questions whose answers are known.

Chats are drawn as screenshots, calls written as subtitles with times, lists as CSV, rules as PDF:
what people ask `crossmodal ask` about lies in all of them. Owns the words and the answers; the
same call always makes the same bytes.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from examples.small_pdf import write_pdf

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True, slots=True)
class Known:
    """Hold a question, the file that answers it, and words of the answer."""

    question: str
    file: str
    words: str
    """What the cited chunk says."""


QUESTIONS = (
    Known("why did customer 17 call?", "call-17.vtt", "lamp"),
    Known("what did customer 17 get instead of the lamp?", "call-17.vtt", "voucher"),
    Known("what was wrong with the bicycle of customer 23?", "call-23.vtt", "chain"),
    Known("why is customer 31 angry with the driver?", "call-31.vtt", "rain"),
    Known("which flowers did customer 42 want to send?", "call-42.vtt", "tulips"),
    Known("what did customer 58 say about the invoice?", "call-58.vtt", "twice"),
    Known("where did the neighbour put Maria's parcel?", "chat-maria.png", "garage"),
    Known("what does Tom want to do with the broken kettle?", "chat-tom.png", "return"),
    Known("when will Aisha be at home?", "chat-aisha.png", "Friday"),
    Known("what is the code of the gate?", "chat-gate.png", "4711"),
    Known("who has a dog that barks at the driver?", "chat-dog.png", "dog"),
    Known("which colour of shoes did Lena order?", "chat-lena.png", "green"),
    Known("how long may a customer return goods?", "returns.pdf", "thirty days"),
    Known("who pays for sending back a damaged parcel?", "returns.pdf", "postage"),
    Known("what must never be sent by parcel?", "forbidden.pdf", "fireworks"),
    Known("how must lithium batteries be packed?", "forbidden.pdf", "batteries"),
    Known("what do drivers do when nobody opens?", "drivers.pdf", "card"),
    Known("how fast may vans drive in the yard?", "drivers.pdf", "ten kilometres"),
    Known("when does the depot in Leeds open?", "depots.csv", "Leeds"),
    Known("who is the manager of the depot in Bristol?", "depots.csv", "Okafor"),
    Known("what does a parcel of 20 kg cost?", "prices.csv", "20"),
    Known("which tracking number was lost in Calais?", "lost.csv", "Calais"),
    Known("what was in the parcel that was found in Dover?", "lost.csv", "violin"),
    Known("which ticket is about a stolen van?", "tickets.csv", "stolen van"),
)

_CALLS = {
    17: (
        "Good morning, you are speaking with Petra of the help desk.",
        "Hello, this is customer 17. I am calling because my lamp arrived in pieces.",
        "I am sorry. Was the box damaged on the outside?",
        "No, the box was fine, but the glass shade inside is broken.",
        "We cannot send another lamp, so I send you a voucher of forty pounds.",
        "That will do. Thank you, and goodbye.",
    ),
    23: (
        "Help desk, Omar speaking.",
        "Customer 23 here. The bicycle came today, but the chain is missing.",
        "Did you look into the small carton that is taped to the frame?",
        "There is only a pump and a bell in there, no chain.",
        "Then the workshop posts a chain to you this afternoon.",
    ),
    31: (
        "Good evening, what can we do for you?",
        "I am customer 31, and I am furious with your driver.",
        "He left my books on the doorstep in the rain, and all of them are soaked.",
        "That should not have happened. We pay for the books.",
    ),
    42: (
        "Flower service, good day.",
        "This is customer 42. I would like to send fifty red tulips to my mother in Cardiff.",
        "Tulips leave our greenhouse on Thursday. Is that early enough?",
        "Yes, her birthday is on Saturday.",
    ),
    58: (
        "Accounts, Judith speaking.",
        "Customer 58. Your invoice for March was taken from my bank account twice.",
        "I see both bookings. The second one is paid back within five days.",
    ),
}
_CHATS = {
    "maria": (
        "Did you see my parcel, Jonas?",
        "Yes, the driver rang at my door.",
        "Where is it now?",
        "I put it in the garage, behind the ladder.",
        "You are a dear neighbour!",
    ),
    "tom": (
        "Hi Tom, how is the new kettle?",
        "It leaks. The whole kitchen was wet.",
        "I will return it and take my money back.",
    ),
    "aisha": (
        "We missed you yesterday. When may we come again?",
        "I am at home on Friday after four o'clock.",
        "Good, the driver comes on Friday evening.",
    ),
    "gate": (
        "I stand in front of your house.",
        "The bell is broken, sorry!",
        "Open the gate with the code 4711.",
        "Thanks, the parcel is in the hall.",
    ),
    "dog": (
        "Beware: Mr Harris has a dog that barks at every driver.",
        "Does it bite?",
        "No, but it ate my sandwich.",
    ),
    "lena": (
        "Which shoes were yours, Lena?",
        "The green ones in size 39.",
        "We sent you the brown ones by mistake.",
    ),
}
_RULES = {
    "returns": (
        ("Returns", "Goods may be returned within thirty days of delivery.",
         "They must be unused and in their own box."),
        ("Damage", "Where a parcel was damaged on its way, we pay the postage of sending it back.",
         "Photos of the damage help us to settle it quickly."),
    ),
    "forbidden": (
        ("What we do not carry", "Never send fireworks, petrol, live animals or cash by parcel.",
         "Such parcels are opened and handed to the police."),
        ("Batteries", "Lithium batteries travel inside of the device that they drive.",
         "Loose batteries are packed one by one, with tape over both poles."),
    ),
    "drivers": (
        ("At the door", "Ring twice and wait for one minute.",
         "When nobody opens, leave a card and take the parcel to the nearest shop."),
        ("In the yard", "Vans drive ten kilometres an hour at most in the yard.",
         "Engines are switched off while a van is loaded."),
    ),
}  # fmt: skip
_TABLES = {
    "depots": (
        ("depot", "opens", "closes", "manager"),
        ("Leeds", "05:30", "21:00", "Grace Whitaker"),
        ("Bristol", "06:00", "20:00", "Daniel Okafor"),
        ("Glasgow", "06:30", "19:30", "Isla McKay"),
        ("Cardiff", "07:00", "19:00", "Rhys Morgan"),
    ),
    "prices": (
        ("weight up to", "price within the country", "price abroad"),
        ("1 kg", "3.90 pounds", "9.50 pounds"),
        ("5 kg", "6.20 pounds", "16.00 pounds"),
        ("20 kg", "13.40 pounds", "41.00 pounds"),
        ("30 kg", "19.80 pounds", "58.00 pounds"),
    ),
    "lost": (
        ("tracking number", "place", "content", "state"),
        ("PX-1007", "Calais", "two carpets", "lost"),
        ("PX-1044", "Dover", "a violin", "found"),
        ("PX-1120", "Hull", "garden chairs", "lost"),
    ),
    "tickets": (
        ("ticket", "opened", "subject", "answered by"),
        ("901", "2026-03-02", "website shows the wrong address", "Petra"),
        ("902", "2026-03-03", "stolen van on the M6", "Omar"),
        ("903", "2026-03-05", "label printer out of paper", "Judith"),
    ),
}
_CUE_S = 4
_BUBBLE = {"width": 560, "margin": 20, "padding": 22, "gap": 26, "size": 30}


def make(dest: Path) -> list[Path]:
    """Write chats, calls, tables and rules into a new folder, which appears once it is whole."""
    part = dest.with_name(f"{dest.name}.part")
    part.mkdir(parents=True, exist_ok=True)
    for number, lines in _CALLS.items():
        (part / f"call-{number}.vtt").write_text(_subtitles(lines), encoding="utf-8")
    for name, messages in _CHATS.items():
        draw_chat(messages).save(part / f"chat-{name}.png")
    for name, pages in _RULES.items():
        (part / f"{name}.pdf").write_bytes(write_pdf(pages))
    for name, rows in _TABLES.items():
        with (part / f"{name}.csv").open("w", newline="", encoding="utf-8") as table:
            csv.writer(table).writerows(rows)
    part.replace(dest)
    return sorted(dest.iterdir())


def draw_chat(messages: Sequence[str]) -> Image.Image:
    """Return a screenshot of a chat: bubbles that change sides, the first on the left."""
    font = ImageFont.load_default(_BUBBLE["size"])
    pen = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    texts = [_wrapped(pen, message, font) for message in messages]
    heights = [pen.multiline_textbbox((0, 0), text, font, spacing=8)[3] for text in texts]
    step = 2 * _BUBBLE["padding"] + _BUBBLE["gap"]
    picture = Image.new("RGB", (800, round(sum(heights) + step * len(texts) + 40)), "#e5ddd5")
    pen, top = ImageDraw.Draw(picture), 20.0
    for number, (text, height) in enumerate(zip(texts, heights, strict=True)):
        left = 20 if number % 2 == 0 else 800 - 20 - _BUBBLE["width"]
        box = (left, top, left + _BUBBLE["width"], top + height + 2 * _BUBBLE["padding"])
        pen.rounded_rectangle(box, 18, "#ffffff" if number % 2 == 0 else "#dcf8c6")
        at = (left + _BUBBLE["margin"], top + _BUBBLE["padding"])
        pen.multiline_text(at, text, "black", font, spacing=8)
        top = box[3] + _BUBBLE["gap"]
    return picture


def _wrapped(pen: ImageDraw.ImageDraw, message: str, font: Font) -> str:
    lines = [""]
    for word in message.split():
        longer = f"{lines[-1]} {word}".strip()
        if pen.textlength(longer, font) > _BUBBLE["width"] - 2 * _BUBBLE["margin"]:
            lines.append(word)
        else:
            lines[-1] = longer
    return "\n".join(lines)


def _subtitles(lines: Sequence[str]) -> str:
    cues = [
        f"00:00:{n * _CUE_S:02}.000 --> 00:00:{(n + 1) * _CUE_S:02}.000\n{line}\n"
        for n, line in enumerate(lines)
    ]
    return "WEBVTT\n\n" + "\n".join(cues)
