"""Lay out model versions as tables: what each is, what it scored, what was live when, what goes."""

from __future__ import annotations

from collections.abc import Sequence

from crossmodal.models.catalogue import Entry
from crossmodal.models.promotion_log import LogLine
from crossmodal.models.retire import Collected
from crossmodal.views.human import counted, human_bytes
from crossmodal.views.text_table import TextTable

_HASH_LETTERS = 12


def model_tables(entries: Sequence[Entry], log: Sequence[LogLine]) -> list[TextTable]:
    """Return every version, its origin, its figures, and the changes of the live line-up."""
    tables = [_versions(entries), _origins(entries)]
    scored = [
        (
            str(entry.version.id),
            found.set_name,
            found.pair,
            f"{found.recall_at_10.value:.3f}",
            f"{found.recall_at_10.low:.3f} to {found.recall_at_10.high:.3f}",
            f"{found.gallery_size:,}",
        )
        for entry in entries
        for found in entry.scored
    ]
    if scored:
        header = ("id", "set", "pair", "recall@10", "95 % interval", "of")
        tables.append(TextTable("evaluations", header, scored, num_words=3))
    if log:
        rows = [(x.at, x.action, x.who, x.why, _lineup(x.before), _lineup(x.after)) for x in log]
        header = ("when (UTC)", "what", "who", "why", "from", "to")
        tables.append(TextTable("changes of what is live", header, rows, num_words=6))
    return tables


def collected_table(done: Collected) -> TextTable:
    """Return which versions go or went, and why the others stay."""
    verb = "dropped" if done.done else "would go"
    rows = [
        (found.label, verb, f"{found.num_vectors:,}", human_bytes(found.freed_bytes))
        for found in done.retired
    ]
    rows += [(label, f"stays: {why}", "", "") for label, why in done.kept.items()]
    title = f"{counted(len(done.retired), 'version')}, {human_bytes(done.freed_bytes)}"
    return TextTable(title, ("model version", "", "vectors", "frees"), rows, num_words=2)


def _versions(entries: Sequence[Entry]) -> TextTable:
    rows = [
        (
            str(entry.version.id),
            entry.label,
            _duty(entry),
            ", ".join(f"{m}: {name}" for m, name in sorted(entry.version.encoders.items())),
            entry.licence or "not told",
            f"{entry.version.dim:,}",
            human_bytes(entry.vector_bytes),
        )
        for entry in entries
    ]
    header = ("id", "model version", "", "encoders", "licence", "dim", "size")
    return TextTable("model versions", header, rows, num_words=5)


def _origins(entries: Sequence[Entry]) -> TextTable:
    rows = [
        (
            str(entry.version.id),
            entry.version.name,
            entry.version.revision,
            entry.version.weights_hash[:_HASH_LETTERS],
            _made(entry),
        )
        for entry in entries
    ]
    header = ("id", "name", "revision", "weights", "made from")
    return TextTable("where they come from", header, rows, num_words=5)


def _duty(entry: Entry) -> str:
    duties = [f"live for {', '.join(entry.serves)}"] if entry.serves else []
    duties += ["live before"] * (entry.former and not entry.serves) + ["pinned"] * entry.pinned
    return ", ".join(duties)


def _made(entry: Entry) -> str:
    if entry.parent is None:
        return ""
    how = ", ".join(f"{key} {value}" for key, value in sorted(entry.parent.how.items()))
    return f"{entry.parent.parent_id} ({how})"


def _lineup(versions: dict[str, int]) -> str:
    return ", ".join(f"{modality} {number}" for modality, number in versions.items())
