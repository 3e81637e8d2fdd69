"""Say what a student came to, beside its teacher, for people, programs and its model card."""

from __future__ import annotations

from typing import Any

from crossmodal.records import ModelVersion
from crossmodal.training.directory import Figure
from crossmodal.training.distil.spec import DistilSpec, Figures, Shown, Student
from crossmodal.views.human import human_bytes


def told(shown: Shown, student: Student, version: ModelVersion) -> dict[str, Any]:
    """Return the figures, and ``text`` for a person."""
    report = student.to_dict() | {
        "id": version.id,
        "name": version.name,
        "label": version.label,
        "parent": shown.teacher.label,
        "counts": shown.counts,
        "problems": shown.problems,
        "data_digest": shown.data_digest,
    }
    return report | {"text": "\n".join(_lines(shown, student, version))}


def _lines(shown: Shown, student: Student, version: ModelVersion) -> list[str]:
    counts = shown.counts
    lines = [
        f"{version.label} (number {version.id}): a student of {shown.teacher.label}, "
        f"{student.shape}",
        f"learned from {counts['train']:,} pictures, decided by {counts['dev']:,}; best after "
        f"epoch {student.best_epoch} of {len(student.epochs)}; the teacher computed "
        f"{counts['computed']:,} vectors, the others were there",
        "",
        *_table(student),
        "",
        *(f"left out:  {num:,} {what}" for what, num in shown.problems.items()),
        f"written to {version.name}",
        f"now: crossmodal backfill PATH... --model {version.name}, then crossmodal evaluate SET "
        f"--model {version.label} --against live, then crossmodal promote {version.label} "
        "--gate SET",
    ]
    return lines


def _table(student: Student) -> list[str]:
    """Return teacher and student side by side."""
    both = (student.teacher, student.learned, student.stored)
    rows = [
        ("weights", [human_bytes(each.file_bytes) for each in both]),
        ("pictures a second, one core", [f"{each.images_per_s:.1f}" for each in both]),
        ("cosine to the teacher", [f"{each.cosine:.3f}" for each in both]),
        ("its nearest picture", [f"{each.neighbours.at_1:.3f}" for each in both]),
        ("its first ten", [f"{each.neighbours.at_10:.3f}" for each in both]),
    ]
    for at, what in (("at_1", "text to picture @1"), ("at_10", "text to picture @10")):
        if student.stored.captions:
            rows.append((what, [_recall(each, at) for each in both]))
    heads = ("teacher", "student", "as stored")
    return [
        f"{'':28}" + "".join(f"{head:>12}" for head in heads),
        *(f"{what:28}" + "".join(f"{cell:>12}" for cell in cells) for what, cells in rows),
    ]


def _recall(figures: Figures, at: str) -> str:
    return f"{getattr(figures.captions, at):.3f}" if figures.captions else "-"


def card_figures(student: Student) -> list[Figure]:
    """Return the figures of a student for its card."""
    near = student.stored.neighbours
    figures = [
        ("image to image", "pictures held out", "cosine to the teacher", student.stored.cosine),
        ("image to image", "pictures held out", "nearest of the teacher", near.at_1),
        ("image to image", "pictures held out", "first ten of the teacher", near.at_10),
    ]
    if found := student.stored.captions:
        figures += [
            ("text to image", "captions not learned from", "recall@1", found.at_1),
            ("text to image", "captions not learned from", "recall@10", found.at_10),
        ]
    return figures


def card_words(shown: Shown, student: Student, spec: DistilSpec) -> list[str]:
    """Return what a model card says of a student."""
    counts = shown.counts
    stored = "eight bits a weight, which crossmodal reads" if spec.export == "int8" else "float16"
    return [
        f"A student of `{shown.teacher.label}` made by crossmodal distil: {student.shape}. It "
        f"learned the teacher's vectors of {counts['train']:,} pictures; {counts['dev']:,} others "
        "decided when to stop. Texts go through the teacher's own tower, so they lie where they "
        f"lay. The weights are stored in {stored}.",
        "",
        "## Figures",
        "",
        "```",
        *_table(student),
        "```",
        "",
        "On pictures held out, by which it was decided when to stop, so they flatter: measure with "
        "`crossmodal evaluate` on a set of your own. Pictures unlike those that it learned from "
        "are seen less well than the teacher sees them.",
        "",
        "## Made again",
        "",
        f"Digest of the pictures and the teacher's vectors {shown.data_digest}, seed "
        f"{spec.schedule.seed}, epoch {student.best_epoch} of {len(student.epochs)}. Digest of the "
        f"weights {student.weights_hash}.",
    ]
