"""Lay out the ledger's answers as tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from crossmodal.ledger.read.status import Status
from crossmodal.ledger.read.token_files import TokenFile
from crossmodal.ledger.write.ann_generations import Audit
from crossmodal.ledger.write.quarantine import QuarantineRow
from crossmodal.ledger.write.runs import RunRecord
from crossmodal.views.human import human_bytes, human_rate, human_seconds
from crossmodal.views.text_table import TextTable


def status_tables(found: Status) -> list[TextTable]:
    """Return what the collection holds, its model versions, its last runs and its quarantine."""
    tables = [_sums(found), _models(found), *_batch_sizes(found), _runs(found.runs)]
    if found.quarantine:
        rows = [(reason, f"{count:,}") for reason, count in found.quarantine.items()]
        tables.append(TextTable("quarantine", ("reason", "sources"), rows))
    return tables


def quarantine_table(rows: list[QuarantineRow]) -> TextTable:
    """Return one row a refused source."""
    header = ("source", "stage", "reason", "detail", "attempts", "size")
    cells = [
        (r.place, r.stage, r.reason, r.detail, f"{r.attempts:,}", human_bytes(r.size_bytes))
        for r in rows
    ]
    return TextTable(f"{len(rows):,} refused", header, cells, num_words=4)


def _sums(found: Status) -> TextTable:
    types = ", ".join(f"{count:,} {name}" for name, count in found.media_types.items())
    rows = [
        ("sources", f"{found.num_sources:,} ({human_bytes(found.source_bytes)})"),
        ("cannot be found", found.unfindable.sentence() or "none"),
        ("media types", types or "none"),
        ("chunks", f"{found.num_chunks:,}{_kinds(found)}"),
        ("size on disk", human_bytes(found.disk_bytes)),
    ]
    rows += [("token vectors", told) for told in token_sentences(found.tokens)]
    fitted = "; ".join(limits.sentence() for limits in found.strengths)
    rows.append(("strength", fitted or "by chance alone: no judgements are fitted"))
    if found.trial:
        rows.append(("A/B trial", found.trial.sentence()))
    return TextTable(found.path, ("", ""), rows, num_words=2)


def token_sentences(files: Sequence[TokenFile]) -> list[str]:
    """Return what the token vectors of each reranker take on disk."""
    return [
        f"{each.label}, {each.form}: {human_bytes(each.num_bytes)} of {each.num_entries:,} chunks, "
        f"{human_bytes(each.num_bytes // max(each.num_entries, 1))} each"
        for each in files
    ]


def _kinds(found: Status) -> str:
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in found.chunk_kinds.items())
    return f" ({kinds})" if kinds else ""


def _models(found: Status) -> TextTable:
    rows = [
        (
            str(m.model.id),
            m.model.label,
            m.model.name,
            "live for " + ", ".join(m.live) if m.live else "",
            f"{m.model.dim:,}",
            ", ".join(f"{num:,} {modality}" for modality, num in m.vectors.items() if num) or "0",
            ", ".join(_searched(modality, audit) for modality, audit in m.audits.items())
            or "exact",
        )
        for m in found.models
    ]
    header = ("id", "model version", "name", "", "dim", "vectors", "searched")
    return TextTable("model versions", header, rows, num_words=4)


def _searched(modality: str, audit: Audit) -> str:
    how = "by codes" if audit.passed else "exact, codes find too little"
    return f"{modality} {how}, recall@{audit.k} {audit.recall:.3f}"


def _batch_sizes(found: Status) -> list[TextTable]:
    rows = [
        (
            str(size.model_version_id),
            size.modality,
            size.device,
            size.shape,
            f"{size.num_items:,}",
            human_rate(size.items_per_s),
        )
        for model in found.models
        for size in model.batch_sizes
    ]
    header = ("model", "of", "device", "shape", "a pass", "items/s")
    return [TextTable("batch sizes found", header, rows, num_words=4)] if rows else []


def _runs(runs: list[RunRecord]) -> TextTable:
    header = ("run", "flow", "started (UTC)", "state", "message", "took", "embedded")
    return TextTable("last runs", header, [_run_row(run) for run in runs], num_words=5)


def _run_row(run: RunRecord) -> tuple[str, ...]:
    return (
        run.run_id[:8],
        run.flow,
        f"{run.started_at:%Y-%m-%d %H:%M:%S}",
        run.state,
        run.message[:80],
        "" if run.wall_s is None else human_seconds(run.wall_s),
        str(run.counts.get("num_embedded", "")),
    )
