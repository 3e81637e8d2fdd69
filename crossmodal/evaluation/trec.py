"""Write an evaluation's answers as TREC files: a run and the judgements of each pair."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from crossmodal.errors import PathError
from crossmodal.evaluation.one_pair import Ranked


def export(ranked: Mapping[str, Ranked], folder: Path, tag: str) -> list[Path]:
    """Write PAIR.run and PAIR.qrels into a folder and return them; ids hold no blanks.

    Scores are ranks, from many down to 1: what reads the run then breaks no ties its own way.

    Raises:
        PathError: the folder cannot be written.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for pair, answers in ranked.items():
            name = pair.replace("->", "-to-")
            written += [folder / f"{name}.run", folder / f"{name}.qrels"]
            written[-2].write_text(_run(answers, "_".join(tag.split()) or "crossmodal"))
            written[-1].write_text(_qrels(answers))
    except OSError as error:
        raise PathError(f"cannot write TREC files to {folder}: {error.strerror}") from error
    return written


def _run(answers: Ranked, tag: str) -> str:
    return "".join(
        f"{query_id} Q0 {item} {rank} {len(ranking) - rank + 1} {tag}\n"
        for query_id, ranking in answers.rankings.items()
        for rank, item in enumerate(ranking, 1)
    )


def _qrels(answers: Ranked) -> str:
    return "".join(
        f"{query_id} 0 {item} {grade}\n"
        for query_id, judged in answers.judgements.items()
        for item, grade in judged.items()
    )
