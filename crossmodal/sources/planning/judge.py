"""Decide what a run will do to each source, and why.

Owns the decisions: what has to be read again, what is new, renamed, a copy, gone, and what may be
deleted. Refuses to read files and to write the ledger. It asks twice: ``candidates`` says what
must be read, ``make_plan`` judges with what the reading brought, so that no connection is held
in between. Invariant: a source is deleted only where its absence was seen, never where looking
failed, was not asked for, or found a root suspiciously empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from crossmodal.chunking.registry import InCharge
from crossmodal.ledger.write.model_versions import embedded_sql
from crossmodal.pictures.svg import draws_svg
from crossmodal.records import MANIFEST_SCHEMA, PLAN_SCHEMA, Action, Lineup, PlanSummary, Rejected
from crossmodal.sources.listing.roots import Root
from crossmodal.sources.options import PlanRules
from crossmodal.sources.parquet import write_query
from crossmodal.sources.planning import judge_sql as sql
from crossmodal.sources.planning.content import Inspection
from crossmodal.sources.planning.guard import refuse_unknown_roots, withheld_deletions
from crossmodal.sources.planning.temp_tables import (
    name_file,
    open_ledger,
    register_chunkers,
    register_scope,
    register_uris,
    rows,
    within_memory,
)

NOT_DRAWN = frozenset({"image/x-eps"})
"""Pictures that are programs for drawing one; they are skipped, since nothing here draws them."""
SVG = "image/svg+xml"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """What a plan is made for."""

    roots: Sequence[Root]
    chunkers: Mapping[str, InCharge]
    """The chunker in charge by media pattern, such as ``image/*``; the first pattern that fits
    counts."""
    lineup: Lineup
    """Whose vectors count; versions that are not registered yet have none."""
    unreadable: Sequence[str] = ()
    """Prefixes that listing could not look below."""
    rejected: Sequence[Rejected] = ()
    """What listing refused."""
    rules: PlanRules = field(default_factory=PlanRules)
    changes: str = ""
    """Which rules of cutting are other than before, for the reasons that a plan gives."""

    def chunker_of(self, media_type: str) -> InCharge | None:
        """Return the chunker in charge, or None where there is none."""
        if media_type in NOT_DRAWN or (media_type == SVG and not draws_svg()):
            return None
        matching = (c for pattern, c in self.chunkers.items() if fnmatchcase(media_type, pattern))
        return next(matching, None)

    def handles(self, media_type: str) -> bool:
        """Say whether a media type has a chunker."""
        return self.chunker_of(media_type) is not None


@dataclass(frozen=True, slots=True)
class Candidates:
    """Say what has to be read before a plan can be made."""

    path: Path
    """Parquet of MANIFEST_SCHEMA."""
    num_items: int
    num_bytes: int


def candidates(
    con: duckdb.DuckDBPyConnection | None, manifest: Path, out: Path, options: PlanOptions
) -> Candidates:
    """Write the sources whose content must be read to ``out``.

    Size and time as recorded stand for the content, so a run with nothing to do reads nothing.

    Args:
        con: the collection, open for reading; None where there is none yet.
        manifest: what ``list_sources`` wrote.
        out: Parquet of MANIFEST_SCHEMA, made anew.
        options: what the plan is made for.

    Raises:
        PathError: a root is missing and the ledger knows no source of it.
    """
    with open_ledger(con) as ledger:
        register_scope(ledger, options.roots)
        refuse_unknown_roots(ledger, options.roots)
        register_chunkers(ledger, options.chunker_of)
        name_file(ledger, "seen", manifest)
        num_items = write_query(ledger, sql.CANDIDATES, {}, MANIFEST_SCHEMA, out)
        num_bytes = rows(
            ledger, "SELECT coalesce(sum(size_bytes), 0) FROM read_parquet(?)", [str(out)]
        )
    return Candidates(out, num_items, int(num_bytes[0][0]))


def make_plan(
    con: duckdb.DuckDBPyConnection | None,
    manifest: Path,
    inspection: Inspection,
    out: Path,
    options: PlanOptions,
) -> PlanSummary:
    """Write what is to be done to every source that is not plainly unchanged to ``out``.

    Args:
        con: the collection, open for reading; None where there is none yet.
        manifest: what ``list_sources`` wrote.
        inspection: what ``inspect`` found out about the candidates.
        out: Parquet of PLAN_SCHEMA in order of uri, made anew.
        options: what the plan is made for.

    Returns:
        Counts of all sources, also of those not in ``out``; in none of them are what inspection
        refused or found gone.
    """
    num_seen, spill = pq.read_metadata(manifest).num_rows, out.with_suffix(".spilled")
    try:
        with (
            open_ledger(con, spill) as ledger,
            within_memory(ledger, num_seen),
        ):
            return _judged(ledger, manifest, inspection, out, options)
    except duckdb.OutOfMemoryException:  # the bound is a wish: what fits the machine is planned
        with open_ledger(con, spill) as ledger:
            return _judged(ledger, manifest, inspection, out, options)


def _judged(
    ledger: duckdb.DuckDBPyConnection,
    manifest: Path,
    inspection: Inspection,
    out: Path,
    options: PlanOptions,
) -> PlanSummary:
    _compare(ledger, manifest, inspection, options)
    withheld = withheld_deletions(ledger, options.roots, options.rules)
    parameters = {
        "withheld": list(withheld),
        "label": options.lineup.label,
        "changes": options.changes,
    }
    write_query(ledger, sql.PLAN, parameters, PLAN_SCHEMA, out)
    counted = rows(ledger, sql.SUMMARY, {"plan": str(out)})
    [(num_plain,)] = rows(ledger, sql.NUM_PLAIN)
    [(num_found,)] = rows(ledger, "SELECT count(*) FROM seen")
    counts = {action: num for action, num, _, _ in counted}
    counts[Action.UNCHANGED] = counts.get(Action.UNCHANGED, 0) + num_plain
    return PlanSummary(
        counts={action.value: counts[action] for action in Action if counts.get(action)},
        num_to_embed=sum(num for _, _, num, _ in counted),
        bytes_to_embed=int(sum(num_bytes for _, _, _, num_bytes in counted)),
        num_found=num_found,
        withheld=list(withheld.values()),
        rejected=[*options.rejected, *inspection.rejected],
    )


def preview(plan: Path, limit: int) -> list[dict[str, Any]]:
    """Return the plan's first rows in order of uri, for a person to look at."""
    with pq.ParquetFile(plan) as file:
        first = next(file.iter_batches(max(limit, 1)), None)
    return first.to_pylist()[:limit] if first is not None else []


def write_shards(plan: Path, out: Path, shard_size: int) -> int:
    """Write the rows due for a forward pass to ``out``, one row group a shard; return how many."""
    num_shards = 0
    with pq.ParquetFile(plan) as file, pq.ParquetWriter(out, PLAN_SCHEMA) as writer:
        for shard in _regrouped(file.iter_batches(), shard_size):
            writer.write_table(shard, row_group_size=shard_size)
            num_shards += 1
    return num_shards


def _compare(
    ledger: duckdb.DuckDBPyConnection, manifest: Path, inspection: Inspection, options: PlanOptions
) -> None:
    """Compare what was found with the ledger; all that is left to decide is the guard's."""
    rules = options.rules
    register_scope(ledger, options.roots)
    name_file(ledger, "seen", manifest)
    name_file(ledger, "inspected", inspection.path)
    found_types = rows(ledger, "SELECT DISTINCT media_type FROM inspected")
    register_chunkers(ledger, options.chunker_of, (media_type for (media_type,) in found_types))
    register_uris(ledger, "unreadable", options.unreadable)
    register_uris(ledger, "refused_now", [refusal.uri for refusal in options.rejected])
    unjudged = [*inspection.gone, *(refusal.uri for refusal in inspection.rejected)]
    register_uris(ledger, "unjudged", unjudged)
    ledger.execute(sql.EMBEDDED.format(vectors=embedded_sql(options.lineup)))
    held = {
        "retry_failed": rules.retry_failed,
        "max_attempts": rules.max_attempts,
        "model_version_id": options.lineup.id,
    }
    ledger.execute(sql.HELD, held)
    for statement in (sql.LACKING, sql.STATE, sql.ABSENT, sql.COVERED):
        ledger.execute(statement)
    ledger.execute(sql.RENAMED, {"allow_delete": rules.allow_delete})


def _regrouped(batches: Iterable[pa.RecordBatch], size: int) -> Iterator[pa.Table]:
    """Yield the rows to embed in tables of exactly ``size`` rows, the last one shorter."""
    waiting = PLAN_SCHEMA.empty_table()
    for batch in batches:
        due = pa.Table.from_batches([batch.filter(batch.column("embed"))], PLAN_SCHEMA)
        waiting = pa.concat_tables([waiting, due])
        while waiting.num_rows >= size:
            yield waiting.slice(0, size)
            waiting = waiting.slice(size)
    if waiting.num_rows:
        yield waiting
