"""Tell prose from lists of references, tables of contents and boilerplate, by a text alone.

Such texts hold the words of many questions and answer none: a list of references names every work
on a subject. They rank below prose and are never left out. Owns what counts as one. A guess by
headings, and by how thick years, initials and dotted lines stand; where it is unsure it is prose.
"""

from __future__ import annotations

import re
from functools import lru_cache

from crossmodal.records import SECTION_SEPARATOR

DEMOTION = 3.0
"""Merit that what is no prose loses (docs/quality.md): its chance hits count as twenty times."""
DEMOTION_SPREADS = 2.0
"""The same in standard deviations of a list's top, where its scores are no merits."""
_MAX_CHARS = 4000
_MIN_YEARS = 3
_MAX_WORDS_A_YEAR = 45
_MIN_MARKS_A_YEAR = 2
_MIN_DOTTED = 3
_MAX_BOILERPLATE_WORDS = 80
_MIN_NOTICES = 2

_HEADING = re.compile(
    r"[\s#\d.]*(?:references|bibliography|works cited|literature cited|external links|"
    r"(?:table of )?contents|list of (?:figures|tables)|"
    r"literatur(?:verzeichnis)?|einzelnachweise|weblinks|inhalt(?:sverzeichnis)?|"
    r"références|bibliographie|liens externes|table des matières|"
    r"referencias|bibliografía|enlaces externos|índice|"
    r"riferimenti|bibliografia|collegamenti esterni|indice)[\s:.]*",
    re.IGNORECASE,
)
_YEAR = re.compile(r"\b(?:19|20)\d\d[a-z]?\b")
_MARK = re.compile(
    r"\b[A-Z]\.(?:[ -]?[A-Z]\.)* ?(?=[A-Z,;&]|and\b)|\bet al\b|\bpp?\. ?\d|\bvol\. ?\d|\bdoi\b|"
    r"\barXiv\b|\bISBN\b|\bProc(?:eedings|\.)|\bIn: |\bRetrieved\b|^\s*\[\w{1,8}\]|\beds?\.\)",
    re.MULTILINE,
)
_DOTTED = re.compile(r"(?:\.{4,}|(?:\. ){4,}|…{2,})\s*\d+\b")
_NOTICE = re.compile(
    r"©|\(c\) ?(?:19|20)\d\d|\ball rights reserved\b|\bcookies?\b|\bprivacy policy\b|"
    r"\bterms of (?:use|service)\b|\balle rechte vorbehalten\b|\bdatenschutz\w*|\bimpressum\b|"
    r"\btous droits réservés\b|\bmentions légales\b|\btodos los derechos reservados\b",
    re.IGNORECASE,
)


@lru_cache(maxsize=20_000)
def is_prose(text: str, section: str = "") -> bool:
    """Say whether a text is no list of references, no table of contents and no boilerplate."""
    text = text[:_MAX_CHARS]
    num_words = len(text.split())
    return not (
        _is_under_such_a_heading(section)
        or _is_of_references(text, num_words)
        or len(_DOTTED.findall(text)) >= _MIN_DOTTED
        or (num_words <= _MAX_BOILERPLATE_WORDS and len(_notices(text)) >= _MIN_NOTICES)
    )


def _is_under_such_a_heading(section: str) -> bool:
    return bool(_HEADING.fullmatch(section.rsplit(SECTION_SEPARATOR, 1)[-1]))


def _is_of_references(text: str, num_words: int) -> bool:
    """Say whether years stand thick, and beside each what only a reference has."""
    num_years = len(_YEAR.findall(text))
    if num_years < _MIN_YEARS or num_words > _MAX_WORDS_A_YEAR * num_years:
        return False
    return len(_MARK.findall(text)) >= _MIN_MARKS_A_YEAR * num_years


def _notices(text: str) -> set[str]:
    return {found.casefold() for found in _NOTICE.findall(text)}
