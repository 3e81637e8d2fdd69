"""Hold a policy, and read its text: what it is, what violates it and what it allows.

Owns the form of ``policy.md``: front matter in YAML, then the sections Overview, Definitions,
Violates, Allowed and Examples. Refuses to look into other files (see ``folder``) and to know what
a model makes of the words. Invariant: a policy's hash covers all that can change a finding or a
decision, so that a policy of the same hash is the same policy.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from crossmodal.errors import CrossmodalError
from crossmodal.modalities import MODALITIES

Side = Literal["violates", "allowed"]
Severity = Literal["none", "low", "medium", "high", "severe"]
PolicyAction = Literal["review", "hide"]

MAX_SENTENCES = 200
"""On a side; a policy of more is a list of words, not a rule that people could apply."""
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_BULLET = re.compile(r"\s*(?:[-*+]|\d+[.)])\s+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[^\s])")
_LABELLED = re.compile(r"(violates|allowed)\s*:\s*(.+)", re.IGNORECASE | re.DOTALL)
_NEGATION = re.compile(r"\b(no|not|never|without|n't|none|except)\b", re.IGNORECASE)
_SECTIONS = ("overview", "definitions", "interpretation", "violates", "allowed", "examples")


class PolicyError(CrossmodalError):
    """A policy cannot be used as it is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """Hold one labelled example: a text, a picture by its path, or a chunk that was decided."""

    side: Side
    text: str = ""
    path: str = ""
    """Absolute; empty for a text."""
    shown: str = ""
    """As the policy names it."""
    content_hash: str = ""
    """SHA-256 in hex of the text or of the picture's bytes; of a decided chunk its key."""
    decided_in: str = ""
    """The modality of the list in which people decided it; empty where it was written."""

    @property
    def modality(self) -> str:
        """Return which lists of vectors it is compared with."""
        return self.decided_in or ("image" if self.path else "text")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Hold a policy as people wrote it."""

    id: str
    version: str = "1"
    severity: Severity = "medium"
    action: PolicyAction = "review"
    """hide: what lies above the upper threshold is hidden at once, until somebody decides."""
    category: str = ""
    """The category of the EU transparency database; empty for the general one."""
    modalities: tuple[str, ...] = MODALITIES
    languages: tuple[str, ...] = ()
    """Only what is known to be in another language is left alone; empty: all languages."""
    base_rate: float | None = None
    """The share of chunks that violate it, as people know or guess it; None: estimated."""
    review: float | None = None
    """The lower threshold, where it is set by hand."""
    first: float | None = None
    """The upper threshold, where it is set by hand."""
    learn: bool = False
    """Whether what people decide by it becomes examples."""
    title: str = ""
    body: str = ""
    violates: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    examples: tuple[Example, ...] = field(default=())

    @property
    def content_hash(self) -> str:
        """Return the SHA-256 in hex of all that can change a finding."""
        said = asdict(self)
        if not self.learn:
            del said["learn"]  # so that policies of before it are the same
        for example in said["examples"]:
            del example["path"]  # the same picture elsewhere is the same example
            if not example["decided_in"]:
                del example["decided_in"]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    def to_json(self) -> str:
        """Return all of it as one JSON document for the ledger."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def of(cls, said: dict[str, Any]) -> Policy:
        """Return the policy that ``to_json`` said."""
        lists = {name: tuple(value) for name, value in said.items() if isinstance(value, list)}
        examples = tuple(Example(**example) for example in said["examples"])
        return cls(**{**said, **lists, "examples": examples})

    @property
    def notices(self) -> tuple[str, ...]:
        """Return what its author should know of sentences that encoders read badly."""
        said = [s for s in (*self.violates, *self.allowed) if _NEGATION.search(s)]
        return tuple(
            f"{self.id}: {sentence!r} says what is not there, which models read as if it were: "
            "describe what is seen or said instead"
            for sentence in said
        )


def parse_policy(text: str, place: str) -> Policy:
    """Return the policy that a text says, without the examples of other files.

    ``place`` names the file where something has to be said of it.

    Raises:
        PolicyError: it is no policy.
    """
    front, body = _split(text, place)
    fields = _fields(front, place)
    sections = _sections(body)
    violates, allowed = (_sentences(sections.get(name, "")) for name in ("violates", "allowed"))
    policy = Policy(
        **fields,
        title=_title(body) or fields["id"],
        body=body,
        violates=violates,
        allowed=allowed,
        examples=_labelled(sections.get("examples", "")),
    )
    _check_sides(policy, place)
    return policy


def text_example(side: Side, text: str) -> Example:
    """Return an example that is a text."""
    said = " ".join(text.split())
    digest = hashlib.sha256(said.encode()).hexdigest()
    return Example(side=side, text=said, shown=said, content_hash=digest)


def _split(text: str, place: str) -> tuple[dict[str, Any], str]:
    import yaml

    match = re.match(r"\ufeff?---[ \t]*\n(.*?)\n---[ \t]*(?:\n|$)(.*)", text, re.DOTALL)
    if match is None:
        raise PolicyError(
            f"{place} has no front matter: begin it with a line ---, then id: and version:, "
            "then a line ---"
        )
    try:
        front = yaml.safe_load(match[1])
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise PolicyError(f"{place}: its front matter is no YAML: {_first_line(error)}") from error
    if not isinstance(front, dict):
        raise PolicyError(f"{place}: its front matter holds no fields such as id: and version:")
    return front, match[2].strip()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


_KNOWN = (
    *("id", "version", "severity", "action", "category", "modalities", "languages"),
    *("base_rate", "thresholds", "learn"),
)


def _fields(front: dict[str, Any], place: str) -> dict[str, Any]:
    unknown = sorted(str(name) for name in front if name not in _KNOWN)
    if unknown:
        raise PolicyError(
            f"{place}: nobody knows the field {unknown[0]!r}: allowed are {', '.join(_KNOWN)}"
        )
    thresholds = front.get("thresholds") or {}
    if not isinstance(thresholds, dict) or not set(thresholds) <= {"review", "first"}:
        raise PolicyError(f"{place}: thresholds are review: and first:, two numbers")
    review, first = (_number(thresholds, name, place) for name in ("review", "first"))
    if review is not None and first is not None and first < review:
        raise PolicyError(
            f"{place}: the threshold first ({first}) is below review ({review}): exchange them"
        )
    return {
        "id": _id(front, place),
        "version": str(front.get("version", "1")),
        "severity": _choice(front, "severity", "medium", get_args(Severity), place),
        "action": _choice(front, "action", "review", get_args(PolicyAction), place),
        "category": _category(front, place),
        "modalities": _modalities(front, place),
        "languages": tuple(_words(front, "languages", place)),
        "base_rate": _base_rate(front, place),
        "review": review,
        "first": first,
        "learn": _yes_or_no(front, "learn", place),
    }


def _id(front: dict[str, Any], place: str) -> str:
    given = str(front.get("id", ""))
    if not _ID.fullmatch(given):
        raise PolicyError(
            f"{place}: id is {given!r}: allowed are 1 to 64 of a-z, 0-9, - and _, such as "
            "asks-for-money"
        )
    return given


def _choice(
    front: dict[str, Any], name: str, default: str, allowed: tuple[str, ...], place: str
) -> str:
    given = str(front.get(name) or default).lower()
    if given not in allowed:
        raise PolicyError(f"{place}: {name} is {given!r}: allowed are {', '.join(allowed)}")
    return given


def _category(front: dict[str, Any], place: str) -> str:
    given = str(front.get("category") or "")
    if given and not re.fullmatch(r"STATEMENT_CATEGORY_[A-Z_]{1,80}", given):
        raise PolicyError(
            f"{place}: category is {given!r}: allowed are those of the EU transparency database, "
            "such as STATEMENT_CATEGORY_SCAMS_AND_FRAUD"
        )
    return given


def _modalities(front: dict[str, Any], place: str) -> tuple[str, ...]:
    given = _words(front, "modalities", place) or list(MODALITIES)
    unknown = [word for word in given if word not in MODALITIES]
    if unknown:
        raise PolicyError(
            f"{place}: {unknown[0]!r} is no modality: allowed are {', '.join(MODALITIES)}"
        )
    return tuple(dict.fromkeys(given))


def _words(front: dict[str, Any], name: str, place: str) -> list[str]:
    given = front.get(name) or []
    given = [given] if isinstance(given, str) else given
    if not isinstance(given, list) or not all(isinstance(word, str) for word in given):
        raise PolicyError(f"{place}: {name} is a list of words, such as [image, text]")
    return [word.lower() for word in given]


def _number(front: dict[str, Any], name: str, place: str) -> float | None:
    given = front.get(name)
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or given != given:
        raise PolicyError(f"{place}: {name} is {given!r}, which is no number")
    return float(given)


def _yes_or_no(front: dict[str, Any], name: str, place: str) -> bool:
    given = front.get(name, False)
    if not isinstance(given, bool):
        raise PolicyError(f"{place}: {name} is {given!r}: allowed are true and false")
    return given


def _base_rate(front: dict[str, Any], place: str) -> float | None:
    given = _number(front, "base_rate", place)
    if given is not None and not 0 < given < 1:
        raise PolicyError(
            f"{place}: base_rate is {given}: it is the share of chunks that violate the policy, "
            "more than 0 and less than 1"
        )
    return given


def _sections(body: str) -> dict[str, str]:
    """Return the text below each heading, by the heading's first word."""
    parts = re.split(r"^#{1,6}[ \t]+(.+?)[ \t]*#*[ \t]*$", body, flags=re.MULTILINE)
    found: dict[str, str] = {}
    for heading, text in zip(parts[1::2], parts[2::2], strict=True):
        word = re.split(r"\W", heading.strip().lower(), maxsplit=1)[0]
        if word in _SECTIONS:
            found[word] = "\n".join(filter(None, (found.get(word), text.strip())))
    return found


def _title(body: str) -> str:
    match = re.search(r"^#[ \t]+(.+?)[ \t]*#*[ \t]*$", body, re.MULTILINE)
    is_section = match and match[1].split()[0].lower() in _SECTIONS
    return match[1] if match and not is_section else ""


def _items(section: str) -> list[str]:
    """Return list items as they are, and of running text each paragraph."""
    items: list[str] = []
    is_open = False
    for line in section.splitlines():
        bullet = _BULLET.match(line)
        if bullet:
            items.append(line[bullet.end() :])
        elif not line.strip():
            is_open = False
            continue
        elif is_open:
            items[-1] += " " + line.strip()
        else:
            items.append(line.strip())
        is_open = True
    return [" ".join(item.split()) for item in items]


def _sentences(section: str) -> tuple[str, ...]:
    found = (part for item in _items(section) for part in _SENTENCE_END.split(item))
    return tuple(dict.fromkeys(sentence for sentence in found if re.search(r"\w", sentence)))


def _labelled(section: str) -> tuple[Example, ...]:
    """Return the examples that carry a label; other words in the section are for people."""
    found = (_LABELLED.fullmatch(item) for item in _items(section))
    return tuple(
        text_example("violates" if m[1].lower() == "violates" else "allowed", m[2])
        for m in found
        if m
    )


def _check_sides(policy: Policy, place: str) -> None:
    if not policy.violates:
        raise PolicyError(
            f"{place} says nothing that violates it: add a section ## Violates with a sentence "
            "for each kind of thing that is meant"
        )
    for name, side in (("Violates", policy.violates), ("Allowed", policy.allowed)):
        if len(side) > MAX_SENTENCES:
            raise PolicyError(
                f"{place}: {name} has {len(side)} sentences, allowed are {MAX_SENTENCES}"
            )
    both = sorted(set(policy.violates) & set(policy.allowed))
    if both:
        raise PolicyError(f"{place}: {both[0]!r} stands under Violates and under Allowed")
