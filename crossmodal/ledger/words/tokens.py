"""Cut texts, headings, file names and questions into the terms that postings are of.

Owns what a term is: a stem of the text's own language, or as it stands what holds a digit (part
numbers, dates), and beside its pieces the whole of a compound such as ``AX-4711/B``. A term is kept
as a number, a hash of 40 bits: no dictionary has to be written, cleaned or agreed upon, and of a
million terms one is taken for a given other with a chance of one in a million. Chinese, Japanese,
Korean and Thai, which have no spaces, become pairs of characters.
"""

from __future__ import annotations

import hashlib
import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache

import Stemmer

_TERM_BYTES = 5
_GUESSED_WORDS = 300
_LEAST_STOP_WORDS = 2
ENGLISH = "english"
RUSSIAN = "russian"

_STOP_WORDS = {
    ENGLISH: "the of and to in a is that it for was on are with as at by this be from or an what "
    "which how who where when does do did has have can i you we they he she its",
    "german": "der die das und ist nicht ein eine einen dem den des mit von zu auf für im wird "
    "sind auch als wie was wo wer wann",
    "french": "le la les des et est une un dans pour que qui du sur pas avec au aux ce cette sont "
    "où quel quelle",
    "spanish": "el la los las de y es una un en por que con para del se no al como su qué cuál",
    "italian": "il lo la gli le di e è una un in per che con del della non al sono come nel",
    "dutch": "de het een en van is dat niet in op te met voor zijn aan er wat waar wie hoe",
    "portuguese": "o a os as de e é uma um em por que com para do da não no na ao como dos das",
}
_STOP_SETS = {language: frozenset(words.split()) for language, words in _STOP_WORDS.items()}
LANGUAGES = (*_STOP_SETS, RUSSIAN)
CODES = dict(zip(LANGUAGES, ("en", "de", "fr", "es", "it", "nl", "pt", "ru"), strict=True))
"""ISO 639-1, by the names that the stemmers go by."""

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
# Each word begins one match, so that a long text is gone through once.
_SPAN = re.compile(r"[^\W_]+(?:[-_./:+#'\u2019][^\W_]+)*")
_CYRILLIC = re.compile(r"[\u0400-\u04ff]")
_SPACELESS = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_DIGIT = re.compile(r"\d")
_CASE_CHANGE = re.compile(r"(?<=[a-z])(?=[A-Z])")

_THREAD = threading.local()


def folded(text: str) -> str:
    """Return the text as it is compared: one form of each character, without case."""
    return unicodedata.normalize("NFKC", text).casefold()


def language_of(text: str) -> str:
    """Return the language whose function words the beginning of a text holds most; else English.

    A guess for stemming and nothing else; a caption or a cell of a few words is taken for English.
    """
    counts = _first_words(text)
    best = _most_counted(counts)
    is_told = best == RUSSIAN or _num_stop_words(counts, best) >= _LEAST_STOP_WORDS
    return best if is_told else ENGLISH


def known_language(text: str) -> str:
    """Return the language of a text where two of its function words tell; else nothing.

    Stricter than ``language_of``: a table that says *no* in each row is not in Spanish.
    """
    counts = _first_words(text)
    best = _most_counted(counts)
    if best == RUSSIAN or len(_STOP_SETS[best] & counts.keys()) >= _LEAST_STOP_WORDS:
        return best
    return ""


def _first_words(text: str) -> Counter[str]:
    return Counter(_WORD.findall(folded(text[: _GUESSED_WORDS * 10]))[:_GUESSED_WORDS])


def _most_counted(counts: Counter[str]) -> str:
    """Return the language with most function words among the counted, English before its equals."""
    if sum(num for word, num in counts.items() if _CYRILLIC.match(word)) * 2 > counts.total():
        return RUSSIAN
    return max(_STOP_SETS, key=lambda name: _num_stop_words(counts, name))


def _num_stop_words(counts: Counter[str], language: str) -> int:
    return sum(counts[word] for word in _STOP_SETS[language] & counts.keys())


def terms_of(text: str, language: str) -> Counter[str]:
    """Return how often each term stands in a text."""
    found: Counter[str] = Counter()
    for span, num in Counter(_SPAN.findall(folded(text))).items():
        for term in _of_span(span, language):
            found[term] += num
    return found


def name_terms(uri: str) -> list[str]:
    """Return the terms of a source's file name, the ending left out."""
    name = re.sub(r"[?#].*$", "", uri) if "://" in uri else uri
    stem = name.rstrip("/").rsplit("/", 1)[-1]
    stem = stem.rsplit(".", 1)[0] if "." in stem[1:] else stem
    parted = _CASE_CHANGE.sub(" ", stem)
    return sorted({*terms_of(stem, ENGLISH), *terms_of(parted, ENGLISH)})


def question_terms(text: str) -> list[str]:
    """Return the terms that a question asks for: its words as each language stems them.

    Function words are left out where others remain, since they cost most and tell least.
    """
    return list(dict.fromkeys(term for terms in terms_by_word(text) for term in terms))


def terms_by_word(text: str) -> list[list[str]]:
    """Return the terms of each word that a question asks for, then each of its part numbers."""
    words = _WORD.findall(folded(text))
    telling = [word for word in words if not any(word in known for known in _STOP_SETS.values())]
    languages = (RUSSIAN,) if _CYRILLIC.search(text) else LANGUAGES[:-1]
    stemmed = [
        [term for name in languages for term in _of_word(word, name)]
        for word in dict.fromkeys(telling or words)
    ]
    return stemmed + [[term] for term in _identifiers_within(folded(text))]


def identifiers(text: str) -> list[str]:
    """Return the terms of a question that name one thing exactly: letters or marks with digits."""
    text = folded(text)
    words = [w for w in _WORD.findall(text) if _DIGIT.search(w) and not w.isdecimal()]
    return list(dict.fromkeys([*_identifiers_within(text), *words]))


@lru_cache(maxsize=200_000)
def term_id(term: str) -> int:
    """Return the number of a term, from 0 to 2^40."""
    return int.from_bytes(hashlib.blake2b(term.encode(), digest_size=_TERM_BYTES).digest(), "big")


def _identifiers_within(text: str) -> Iterator[str]:
    """Yield the compounds with a digit, such as part numbers, of a text that is folded."""
    return (s for s in _SPAN.findall(text) if _DIGIT.search(s) and not _WORD.fullmatch(s))


@lru_cache(maxsize=100_000)
def _of_span(span: str, language: str) -> tuple[str, ...]:
    """Return the terms of words that no space parts: each, and the whole where it has a digit."""
    pieces = [term for word in _WORD.findall(span) for term in _of_word(word, language)]
    return (*pieces, *_identifiers_within(span))


def _of_word(word: str, language: str) -> list[str]:
    if _SPACELESS.search(word):
        return [word[i : i + 2] for i in range(max(1, len(word) - 1))]
    if _DIGIT.search(word):
        return [word]
    return [_stemmer(language).stemWord(word)]


def _stemmer(language: str) -> Stemmer.Stemmer:
    """Return this thread's stemmer: one must not be used by two at a time."""
    known: dict[str, Stemmer.Stemmer] = _THREAD.__dict__.setdefault("stemmers", {})
    if language not in known:
        known[language] = Stemmer.Stemmer(language)
    return known[language]
