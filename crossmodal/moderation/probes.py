"""Hold the generic texts that say what a policy's margin is by chance.

Half name scenes, half name topics of documents; drawn once with a fixed seed, so that they are the
same everywhere and encoded once a model version.
"""

from __future__ import annotations

import random
from functools import cache

NUM_PROBES = 500
_SEED = 7


def _parts(joined: str) -> list[str]:
    return joined.split("|")


_NOUNS = _parts(
    "dog|cat|horse|bird|child|man|woman|boy|girl|couple|crowd|family|baby|fisherman|cyclist|surfer|"
    "climber|runner|dancer|musician|painter|chef|waiter|farmer|soldier|policeman|nurse|doctor|"
    "teacher|student|worker|tourist|cow|sheep|elephant|zebra|bear|duck|eagle|butterfly|fish|bus|"
    "train|truck|bicycle|motorcycle|boat|airplane|tractor|taxi|car|bench|chair|table|lamp|clock|"
    "umbrella|suitcase|laptop|telephone|camera|guitar|piano|drum|ball|kite|pizza|cake|sandwich|"
    "apple|banana|bottle|cup|vase|flower|tree|bridge|tower|castle|church|house|barn|fence|statue"
)
_PLACES = _parts(
    "on a beach|in the snow|in a field|on a street|in a park|by a lake|in a forest|in a kitchen|"
    "on a stage|at a market|in front of a building|on a mountain|in a stadium|at night|"
    "in the rain|in a garden|at the airport|in a desert|in an office|on a boat|in a museum"
)
_LOOKS = _parts("black|white|red|blue|green|yellow|brown|small|large|old|young|wet|bright|broken")
_TOPICS = _parts(
    "climate change|interest rates|supply chains|machine translation|solar panels|heart disease|"
    "vaccination|public transport|bridge construction|steel corrosion|heat transfer|wing design|"
    "jet engines|battery storage|wind energy|food security|soil erosion|crop yields|fisheries|"
    "housing policy|labour law|patent law|data protection|tax reform|pensions|health insurance|"
    "school curricula|library catalogues|information retrieval|databases|operating systems|"
    "network protocols|encryption|software testing|project management|auditing|mergers|marketing|"
    "tourism|aviation|shipping|customs duties|migration|elections|human rights|military history|"
    "the Roman Empire|colonial trade|medieval architecture|opera|folk music|poetry|film history|"
    "ethics|logic|linear algebra|probability|graph theory|astronomy|geology|oceanography|evolution|"
    "genetics|immunology|pharmacology|nutrition|psychology|sleep|football|chess|gardening|cooking"
)
_FORMS = _parts(
    "a report on {}|introduction to {}|how does {} work|the history of {}|recent research on {}|"
    "a table of figures about {}|guidelines for {}|methods for measuring {}|a lecture on {}|"
    "problems of {}|annual statistics of {}|{}|a contract about {}|questions and answers about {}"
)


@cache
def probe_texts() -> tuple[str, ...]:
    """Return the probes, all different."""
    rng = random.Random(_SEED)
    found: dict[str, None] = {}
    while len(found) < NUM_PROBES:
        found[_scene(rng) if len(found) % 2 else _topic(rng)] = None
    return tuple(found)


def _scene(rng: random.Random) -> str:
    noun = rng.choice(_NOUNS)
    look = f"{rng.choice(_LOOKS)} " if rng.random() < 0.4 else ""
    return f"{_article(look + noun)} {rng.choice(_PLACES)}"


def _article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _topic(rng: random.Random) -> str:
    return rng.choice(_FORMS).format(rng.choice(_TOPICS))
