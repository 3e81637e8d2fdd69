"""Hold the probes: generic questions against which every list of vectors is measured.

Owns the wording, half scenes and half subjects of documents, drawn from templates with a fixed
seed. Refuses to know any collection: the same probes measure all of them, and what was measured of
them (docs/quality.md) holds for exactly these texts. Change a word, and REVISION must change too.
"""

from __future__ import annotations

import random
from collections.abc import Callable

REVISION = "scenes-and-subjects-1"
"""Names this wording; hub terms and tables of another revision are made again."""

NUM_PROBES = 500
"""50 probes rank worse (-0.06 hit@1), 200 a little (-0.02), 2,000 no better."""

_SEED = 7


def _phrases(lines: str) -> tuple[str, ...]:
    """Return what stands between the bars."""
    return tuple(lines.replace("\n", "").split("|"))


_NOUNS = _phrases("""
dog|cat|horse|bird|child|man|woman|boy|girl|couple|crowd|family|baby|teenager|fisherman|cyclist|
skateboarder|surfer|climber|runner|dancer|musician|painter|chef|waiter|farmer|soldier|policeman|
nurse|doctor|teacher|student|worker|tourist|swimmer|cow|sheep|elephant|giraffe|zebra|bear|
monkey|duck|eagle|butterfly|fish|bus|train|truck|bicycle|motorcycle|boat|airplane|tractor|taxi|
van|car|bench|chair|table|lamp|clock|umbrella|suitcase|laptop|telephone|camera|guitar|piano|
drum|ball|kite|pizza|cake|sandwich|salad|apple|banana|bottle|cup|vase|flower|tree|bridge|tower|
castle|church|house|barn|fence|statue|fountain|sign|traffic|light
""")
_PLACES = _phrases("""
on a beach|in the snow|in a field|on a street|in a park|by a lake|in a forest|in a kitchen|
in a living room|on a stage|at a market|in front of a building|on a mountain|in a swimming pool|
in a stadium|at night|in the rain|in a garden|on a bridge|at the airport|in a desert|
in an office|on a boat|in a museum|at sunset
""")
_ACTS = _phrases("""
running|sitting|standing|jumping|sleeping|eating|playing|smiling|walking|looking at the camera|
waiting|climbing|riding|holding a sign|talking
""")
_LOOKS = _phrases("""
black|white|red|blue|green|yellow|brown|small|large|old|young|wet|bright|broken|striped
""")
_STYLES = _phrases("""
a photo of|a close-up of|a picture of|a black and white photo of|an aerial view of|a drawing of|
a diagram of|a logo with
""")
_TOPICS = _phrases("""
climate change|interest rates|supply chains|machine translation|image compression|solar panels|
water treatment|heart disease|diabetes|vaccination|public transport|railway safety|
bridge construction|steel corrosion|heat transfer|fluid flow|wing design|jet engines|
semiconductors|battery storage|wind energy|nuclear waste|food security|soil erosion|crop yields|
fisheries|forest fires|housing policy|labour law|patent law|data protection|tax reform|pensions|
health insurance|school curricula|university admissions|library catalogues|indexing|
information retrieval|databases|operating systems|compilers|network protocols|encryption|
malware|software testing|project management|risk assessment|auditing|accounting standards|
dividends|mergers|marketing|consumer behaviour|tourism|hotel management|aviation|shipping|
customs duties|migration|elections|human rights|constitutional law|criminal procedure|
military history|the Roman Empire|the French Revolution|the Cold War|colonial trade|
medieval architecture|Renaissance painting|opera|folk music|poetry|the novel|theatre|
film history|philosophy of science|ethics|logic|set theory|linear algebra|probability|topology|
graph theory|statistics|astronomy|geology|oceanography|evolution|genetics|cell biology|
immunology|pharmacology|surgery|nutrition|psychology|sleep|education|sports|football|chess|
gardening|cooking|wine
""")
_DOCUMENTS = _phrases("""
a report on {t}|introduction to {t}|what is {t}|how does {t} work|the history of {t}|
recent research on {t}|the effect of {t} on {u}|a table of figures about {t}|guidelines for {t}|
the relation between {t} and {u}|methods for measuring {t}|a lecture on {t}|problems of {t}|
annual statistics of {t}|{t}|{t} and {u}|a contract about {t}|an article about {t} in Europe|
questions and answers about {t}|who invented {t}
""")


def probes() -> list[str]:
    """Return the NUM_PROBES distinct probes, always the same ones."""
    # Not for secrets: the seed makes the texts the same everywhere.
    draw = random.Random(_SEED)
    found: dict[str, None] = {}
    while len(found) < NUM_PROBES:
        make: Callable[[random.Random], str] = _scene if len(found) % 2 == 0 else _subject
        found.setdefault(make(draw))
    return list(found)


def _with_article(words: str) -> str:
    return ("an " if words[0] in "aeiou" else "a ") + words


def _scene(draw: random.Random) -> str:
    noun, kind = draw.choice(_NOUNS), draw.random()
    if kind < 0.3:
        return f"{_with_article(noun)} {draw.choice(_PLACES)}"
    if kind < 0.55:
        return f"{_with_article(draw.choice(_LOOKS) + ' ' + noun)} {draw.choice(_PLACES)}"
    if kind < 0.75:
        return f"{_with_article(noun)} {draw.choice(_ACTS)} {draw.choice(_PLACES)}"
    if kind < 0.9:
        other = _with_article(draw.choice(_NOUNS))
        return f"{_with_article(noun)} and {other} {draw.choice(_PLACES)}"
    return f"{draw.choice(_STYLES)} {_with_article(noun)}"


def _subject(draw: random.Random) -> str:
    topic, other = draw.sample(_TOPICS, 2)
    return draw.choice(_DOCUMENTS).format(t=topic, u=other)
