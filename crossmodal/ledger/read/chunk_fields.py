"""Turn conditions on what a chunk itself says into SQL over ``chunk``, with every value bound.

``page``: any page that the chunk stands on; slides are pages. ``heading``: a glob on any heading
above it or within it, letter case aside. ``language``: of its words, as they are stemmed by, else
as the source declares it. ``duration``: of the whole film or recording, in seconds or as 1:30.
``width`` and ``height``: of the picture, upright, or of the film, in pixels. ``taken``: when the
camera took the picture (EXIF), by its own clock. ``hidden``: whether moderation hides it. Where a
chunk does not say, no condition on it holds.
"""

from __future__ import annotations

import re

from crossmodal.ledger.read.conditions import EQUAL, ORDERED, Field, Part, glob_to_regex
from crossmodal.ledger.read.hidden import HIDDEN_FIELD
from crossmodal.ledger.words.tokens import CODES

_NUMBER = re.compile(r"\d{1,12}(?:\.\d{1,9})?")
_CLOCK = re.compile(r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2}(?:\.\d{1,6})?)")
_DURATION = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)\s*(s|sec|min|h)?", re.IGNORECASE)
_SECONDS = {"": 1.0, "s": 1.0, "sec": 1.0, "min": 60.0, "h": 3600.0}
_MOMENT = re.compile(r"\d{4}(?:-\d\d(?:-\d\d(?:[T ]\d\d(?::\d\d(?::\d\d)?)?)?)?)?")
_LONGEST_GLOB = 400

# Of three letters, as films declare a track's, the first two are the shorter code but for these.
_DECLARED = """
CASE lower(left(json_extract_string(d.meta, '$.language'), 2))
WHEN 'ge' THEN 'de' WHEN 'sp' THEN 'es' WHEN 'du' THEN 'nl' WHEN 'po' THEN 'pt'
ELSE lower(left(json_extract_string(d.meta, '$.language'), 2)) END
"""
_SPEAKING = f"""
chunk_id IN (SELECT k.chunk_id FROM worded_chunk k JOIN chunk d ON d.chunk_id = k.chunk_id
    WHERE coalesce(nullif(k.language, ''), {_DECLARED}) {{operator}} ${{name}})
"""
_LASTING = """
content_hash IN (SELECT d.content_hash FROM chunk d WHERE d.kind IN ('frame', 'clip', 'window')
    GROUP BY d.content_hash
    HAVING coalesce(max(TRY_CAST(json_extract_string(d.meta, '$.duration_s') AS DOUBLE)),
        max(TRY_CAST(json_extract_string(d.meta, '$.end_s') AS DOUBLE)))
        {operator} ${name}::DOUBLE)
"""
_HEADINGS = """
list_filter(string_split(section, '{separator}')
    || coalesce(json_extract_string(meta, '$.{further}[*]'), []),
    lambda one: one <> '')
"""
_UNDER = """
len(list_filter({headings},
    lambda one: regexp_full_match(lower(one), ${name}, 's'))) {operator} 0
"""


def _fact(name: str) -> str:
    return f"TRY_CAST(json_extract_string(meta, '$.{name}') AS DOUBLE)"


def _page(operator: str, value: str, name: str) -> Part:
    first, last = _fact("page"), f"coalesce({_fact('page_end')}, {_fact('page')})"
    params = {name: _number(value)}
    if operator in EQUAL:
        negation = "NOT " if operator == "!=" else ""
        return f"{negation}(${name}::DOUBLE BETWEEN {first} AND {last})", params
    return f"{first if operator.startswith('<') else last} {operator} ${name}::DOUBLE", params


def _heading(operator: str, value: str, name: str) -> Part:
    # pyarrow comes with it: forms must not wait.
    from crossmodal.records import FURTHER_HEADINGS, SECTION_SEPARATOR

    if not 0 < len(value) <= _LONGEST_GLOB:
        raise ValueError(value)
    compared = ">" if operator == "=" else "="
    headings = _HEADINGS.format(separator=SECTION_SEPARATOR, further=FURTHER_HEADINGS)
    sql = _UNDER.format(headings=headings, name=name, operator=compared)
    return f"len({headings}) > 0 AND {sql}", {name: glob_to_regex(value.lower())}


def _language(operator: str, value: str, name: str) -> Part:
    code = CODES.get(value.lower(), value.lower())
    if not re.fullmatch("[a-z]{2}", code):
        raise ValueError(value)
    return _SPEAKING.format(operator=operator, name=name), {name: code}


def _duration(operator: str, value: str, name: str) -> Part:
    clock, plain = _CLOCK.fullmatch(value), _DURATION.fullmatch(value)
    if clock:
        seconds = int(clock[1] or 0) * 3600 + int(clock[2]) * 60 + float(clock[3])
    elif plain:
        seconds = float(plain[1]) * _SECONDS[(plain[2] or "").lower()]
    else:
        raise ValueError(value)
    return _LASTING.format(operator=operator, name=name), {name: seconds}


def _pixels(fact: str) -> Field:
    def build(operator: str, value: str, name: str) -> Part:
        return f"{_fact(fact)} {operator} ${name}::DOUBLE", {name: _number(value)}

    return Field(ORDERED, f"{fact}>=1000", "a number of pixels", build)


def _taken(operator: str, value: str, name: str) -> Part:
    if not _MOMENT.fullmatch(value):
        raise ValueError(value)
    said = f"left(json_extract_string(meta, '$.taken'), {len(value)})"
    return f"{said} {operator} ${name}", {name: value.replace(" ", "T")}


def _number(value: str) -> float:
    if not _NUMBER.fullmatch(value):
        raise ValueError(value)
    return float(value)


CHUNK_FIELDS = {
    "page": Field(ORDERED, "page=3", "a number", _page),
    "heading": Field(EQUAL, "heading=*results*", "a glob pattern", _heading),
    "language": Field(EQUAL, "language=de", "a language's code of two letters", _language),
    "duration": Field(ORDERED, "duration>1:30", "a time, such as 90, 1:30 or 2 h", _duration),
    "width": _pixels("width"),
    "height": _pixels("height"),
    "taken": Field(ORDERED, "taken>=2023-07", "a year, a month, a day or a moment", _taken),
    "hidden": HIDDEN_FIELD,
}
