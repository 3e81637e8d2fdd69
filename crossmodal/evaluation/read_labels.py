"""Read folders whose names are labels: ``dogs/1.jpg``, ``cats/2.jpg``."""

from __future__ import annotations

from pathlib import Path

from crossmodal.errors import SetUnreadable
from crossmodal.evaluation.sets import EvaluationSet


def read_label_folder(folder: Path) -> EvaluationSet:
    """Read the files below each folder as pictures of what the folder is called.

    Raises:
        SetUnreadable: there are fewer than two such folders with files.
    """
    labels = {
        str(file): child.name.replace("_", " ")
        for child in sorted(folder.iterdir())
        if child.is_dir() and not child.name.startswith(".")
        for file in sorted(child.rglob("*"))
        if file.is_file() and not file.name.startswith(".")
    }
    if len(set(labels.values())) < 2:
        raise SetUnreadable(
            f"{folder} is no evaluation set: a folder is one if it has queries.jsonl and qrels, or "
            "if it has at least two folders with files, each called after what they show"
        )
    return EvaluationSet(name=folder.name, path=folder, kind="labels", labels=labels)
