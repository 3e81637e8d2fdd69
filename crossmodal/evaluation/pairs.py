"""Divide a set into pairs of modalities: what is asked, in what it is looked for, what is right.

Owns the names of the pairs and which answers make which; refuses to ask. Invariant: a query whose
answers are not indexed is not in any pair, but among the problems.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from crossmodal.evaluation.gallery import Items, item_of, items_of, whole_item
from crossmodal.evaluation.locate import Located
from crossmodal.evaluation.sets import Asked, EvaluationSet, Target
from crossmodal.evaluation.short_texts import content_hash

ANYTHING = "text->anything"
_OF_MEDIA = {"image": "text->image", "video": "text->moment", "audio": "text->audio"}
_ALONE = {
    "text->image": (("image",), "image/*"),
    "text->moment": ((), "video/*"),
    "text->audio": (("audio",), ""),
    "text->passage": (("text",), ""),
    ANYTHING: ((), ""),
    "image->image": (("image",), "image/*"),
    "image->text": (("text",), ""),
    "image->label": (("text",), ""),
}
PAIRS = tuple(_ALONE)
PROMPTS = {"image": "a photo of a {}", "audio": "the sound of {}"}
"""What a label is asked as; CLIP's simplest template (Radford et al., 2021)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Hold one query of a pair, with what answers it among the items."""

    query_id: str
    cluster: str
    title: str
    relevant: dict[str, int]
    text: str = ""
    picture: str = ""
    """Content hash of the indexed picture that asks; empty where a text does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairPlan:
    """Say how the queries of one pair are asked."""

    pair: str
    questions: list[Question]
    items: Items = field(default_factory=Items)
    texts: tuple[str, ...] = ()
    """What is looked through, where that is not the collection."""

    @property
    def modalities(self) -> tuple[str, ...]:
        """Return what is looked through; empty for all."""
        return _ALONE[self.pair][0]

    @property
    def where(self) -> list[str]:
        """Return the filter of what is looked through."""
        media_type = _ALONE[self.pair][1]
        return [f"type={media_type}"] if media_type else []


def targets_of(given: EvaluationSet) -> set[Target]:
    """Return everything that a set names, pictures that ask included."""
    named = {target for asked in given.asked for target in asked.answers}
    pictures = {Target(asked.image) for asked in given.asked if asked.image}
    return named | pictures | {Target(path) for path in given.labels}


def plan_pairs(given: EvaluationSet, located: Mapping[Target, Located]) -> list[PairPlan]:
    """Return the pairs that a set can judge; what is not indexed is counted among its problems."""
    for target in sorted(targets_of(given) - located.keys()):
        given.problems.add("not_indexed", target.path)
    items = items_of(dict(located))
    plans = [*_texts(given, located, items), *_pictures(given, located, items)]
    plans += _captions(given, located)
    plans += _labels(given, located)
    return [plan for plan in plans if plan.questions]


def _texts(
    given: EvaluationSet, located: Mapping[Target, Located], items: Items
) -> Iterator[PairPlan]:
    by_pair: dict[str, list[Question]] = defaultdict(list)
    for asked in (asked for asked in given.asked if asked.text):
        question = _question(given, asked, located)
        if question is None:
            continue
        kinds = {_kind(located[target]) for target in asked.answers if target in located}
        if len(kinds) == 1:
            by_pair[_OF_MEDIA.get(kinds.pop(), "text->passage")].append(question)
        by_pair[ANYTHING].append(question)
    for pair, questions in sorted(by_pair.items()):
        yield PairPlan(pair=pair, questions=questions, items=items)


def _question(
    given: EvaluationSet, asked: Asked, located: Mapping[Target, Located]
) -> Question | None:
    relevant = {
        item_of(target, located[target]): grade
        for target, grade in asked.answers.items()
        if target in located
    }
    if not any(grade > 0 for grade in relevant.values()):
        given.problems.add("unanswerable_query", asked.text or asked.image)
        return None
    return Question(
        query_id=asked.query_id,
        cluster=asked.cluster,
        title=asked.text or asked.image,
        relevant=relevant,
        text=asked.text,
        picture=located[Target(asked.image)].content_hash if asked.image else "",
    )


def _pictures(
    given: EvaluationSet, located: Mapping[Target, Located], items: Items
) -> Iterator[PairPlan]:
    asking = [a for a in given.asked if a.image and not a.text and Target(a.image) in located]
    found = (_question(given, asked, located) for asked in asking)
    yield PairPlan(pair="image->image", questions=[q for q in found if q], items=items)


def _captions(given: EvaluationSet, located: Mapping[Target, Located]) -> Iterator[PairPlan]:
    """Ask each captioned picture for its captions among all captions of the set."""
    if given.kind != "captions":
        return
    pictures = {
        path: located[Target(path)]
        for path in given.captions
        if Target(path) in located and _kind(located[Target(path)]) == "image"
    }
    texts = list(dict.fromkeys(text for path in pictures for text in given.captions[path]))
    yield PairPlan(
        pair="image->text",
        questions=[
            Question(
                query_id=whole_item(picture.content_hash),
                cluster=path,
                title=picture.uri,
                relevant={_text_item(text): 1 for text in given.captions[path]},
                picture=picture.content_hash,
            )
            for path, picture in _distinct(pictures).items()
        ],
        texts=tuple(texts),
    )


def _labels(given: EvaluationSet, located: Mapping[Target, Located]) -> Iterator[PairPlan]:
    """Ask labels for what is called so, pictures for their label and for others of their label."""
    by_path = {path: located[Target(path)] for path in given.labels if Target(path) in located}
    things = _distinct(by_path)
    kinds = {_kind(thing) for thing in things.values()}
    for kind in kinds & PROMPTS.keys():
        chosen = {path: thing for path, thing in things.items() if _kind(thing) == kind}
        yield _by_label(given, chosen, kind)
        if kind == "image":
            yield _zero_shot(given, chosen)
            yield _same_label(given, chosen)


def _by_label(given: EvaluationSet, things: Mapping[str, Located], kind: str) -> PairPlan:
    questions = [
        Question(
            query_id="label_" + "_".join(label.split()),
            cluster=label,
            title=label,
            relevant=dict.fromkeys(members, 1),
            text=PROMPTS[kind].format(label),
        )
        for label, members in _members(given, things).items()
    ]
    return PairPlan(pair=_OF_MEDIA[kind], questions=questions)


def _zero_shot(given: EvaluationSet, things: Mapping[str, Located]) -> PairPlan:
    prompts = {label: PROMPTS["image"].format(label) for label in given.labels.values()}
    return PairPlan(
        pair="image->label",
        questions=[
            _asking(path, thing, {_text_item(prompts[given.labels[path]]): 1})
            for path, thing in things.items()
        ],
        texts=tuple(dict.fromkeys(prompts.values())),
    )


def _same_label(given: EvaluationSet, things: Mapping[str, Located]) -> PairPlan:
    members = _members(given, things)
    questions = []
    for path, thing in things.items():
        itself = whole_item(thing.content_hash)
        others = [item for item in members[given.labels[path]] if item != itself]
        if others:
            questions.append(_asking(path, thing, dict.fromkeys(others, 1)))
        else:
            given.problems.add("only_one_of_its_label", path)
    return PairPlan(pair="image->image", questions=questions)


def _asking(path: str, thing: Located, relevant: dict[str, int]) -> Question:
    return Question(
        query_id=whole_item(thing.content_hash),
        cluster=path,
        title=thing.uri,
        relevant=relevant,
        picture=thing.content_hash,
    )


def _members(given: EvaluationSet, things: Mapping[str, Located]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for path, thing in things.items():
        found[given.labels[path]].append(whole_item(thing.content_hash))
    return dict(found)


def _distinct(things: Mapping[str, Located]) -> dict[str, Located]:
    """Return the first path of each content: a copy would be asked, and answer, twice."""
    first: dict[str, str] = {}
    for path, thing in things.items():
        first.setdefault(thing.content_hash, path)
    return {path: things[path] for path in first.values()}


def _text_item(text: str) -> str:
    return whole_item(content_hash(text))


def _kind(located: Located) -> str:
    return located.media_type.partition("/")[0]
