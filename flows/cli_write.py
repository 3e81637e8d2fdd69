"""Offer the flows that write on the command line: ``index`` and ``backfill``.

Options in, one flow, its report out. Everything heavy is imported inside the command.
"""

from __future__ import annotations

from typing import Annotated

import typer

from flows.invoke import checked, show_outcome
from flows.options import (
    DEFAULT_COLLECTION,
    AudioModelOption,
    BatchOption,
    CaptionOption,
    ChunkTokensOption,
    CollectionOption,
    CoverageOption,
    DeviceOption,
    DtypeOption,
    FiguresOption,
    FileSizeOption,
    FramesOption,
    HiddenOption,
    IntervalOption,
    JsonOption,
    MegapixelOption,
    ModelOption,
    OverlapOption,
    PageImagesOption,
    RevisionOption,
    RowsOption,
    RunnerOption,
    ShardOption,
    TextChunkerOption,
    TextModelOption,
    WindowOption,
)
from flows.printing import print_json
from tasks.chunking.rules import ChunkRules

RULES = ChunkRules()


def index(
    paths: Annotated[list[str], typer.Argument(help="Folders, files, globs or URLs.")],
    collection: CollectionOption = DEFAULT_COLLECTION,
    model: ModelOption = None,
    text_model: TextModelOption = None,
    audio_model: AudioModelOption = None,
    revision: RevisionOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    runner: RunnerOption = "native",
    dry_run: Annotated[bool, typer.Option(help="Only print the plan.")] = False,
    retry_failed: Annotated[bool, typer.Option(help="Try quarantined files again.")] = False,
    allow_delete: Annotated[bool, typer.Option(help="Delete even if a root vanished.")] = False,
    include_hidden: HiddenOption = False,
    min_coverage: CoverageOption = 0.95,
    batch_size: BatchOption = 32,
    shard_size: ShardOption = 512,
    text_chunker: TextChunkerOption = RULES.text_chunker,
    chunk_tokens: ChunkTokensOption = RULES.chunk_tokens,
    overlap_tokens: OverlapOption = RULES.overlap_tokens,
    page_images: PageImagesOption = RULES.page_images,
    figures: FiguresOption = RULES.figures,
    caption_weight: CaptionOption = RULES.caption_weight,
    frames: FramesOption = RULES.frames,
    frame_interval_s: IntervalOption = RULES.frame_interval_s,
    audio_window_s: WindowOption = RULES.audio_window_s,
    rows_per_chunk: RowsOption = RULES.rows_per_chunk,
    max_megapixels: MegapixelOption = 89.5,
    max_file_mb: FileSizeOption = 512,
    as_json: JsonOption = False,
) -> None:
    """Bring the collection in step with PATHS; only what changed is embedded."""
    given = {k: v for k, v in locals().items() if k != "as_json"}
    from flows.parameters import IndexParams

    params = checked(IndexParams, given)
    from flows.index import index as index_flow

    show_outcome(index_flow(params, return_state=True), as_json=as_json)


def backfill(
    paths: Annotated[list[str], typer.Argument(help="Folders, files, globs or URLs.")],
    collection: CollectionOption = DEFAULT_COLLECTION,
    partition_by: Annotated[str, typer.Option(help="prefix, day, month, year or none.")] = "prefix",
    depth: Annotated[int, typer.Option(help="Levels of folders that make a prefix.")] = 1,
    since: Annotated[str | None, typer.Option(help="First day of the file's date (UTC).")] = None,
    until: Annotated[str | None, typer.Option(help="Last day, included.")] = None,
    listed: Annotated[str | None, typer.Option(help="File with a path or URL a line.")] = None,
    only_failed: Annotated[bool, typer.Option(help="Only quarantined files.")] = False,
    partition: Annotated[
        list[str] | None, typer.Option(help="Only this one, as the dry run names it; repeatable.")
    ] = None,
    model: ModelOption = None,
    text_model: TextModelOption = None,
    audio_model: AudioModelOption = None,
    revision: RevisionOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    runner: RunnerOption = "native",
    dry_run: Annotated[
        bool, typer.Option(help="Only print what is due, and for how long.")
    ] = False,
    include_hidden: HiddenOption = False,
    min_coverage: CoverageOption = 0.95,
    batch_size: BatchOption = 32,
    shard_size: ShardOption = 512,
    text_chunker: TextChunkerOption = RULES.text_chunker,
    chunk_tokens: ChunkTokensOption = RULES.chunk_tokens,
    overlap_tokens: OverlapOption = RULES.overlap_tokens,
    page_images: PageImagesOption = RULES.page_images,
    figures: FiguresOption = RULES.figures,
    caption_weight: CaptionOption = RULES.caption_weight,
    frames: FramesOption = RULES.frames,
    frame_interval_s: IntervalOption = RULES.frame_interval_s,
    audio_window_s: WindowOption = RULES.audio_window_s,
    rows_per_chunk: RowsOption = RULES.rows_per_chunk,
    max_megapixels: MegapixelOption = 89.5,
    max_file_mb: FileSizeOption = 512,
    workers: Annotated[str, typer.Option(help="here, or deployments.")] = "here",
    max_parallel: Annotated[int, typer.Option(help="Deployment runs at the same time.")] = 2,
    as_json: JsonOption = False,
) -> None:
    """Fill the collection in from PATHS, partition by partition; nothing is deleted."""
    given = {k: v for k, v in locals().items() if k not in ("as_json", "partition")}
    from flows.backfill_parameters import BackfillParams

    params = checked(BackfillParams, given | {"partitions": partition or []})
    from flows.backfill import backfill as backfill_flow

    show_outcome(backfill_flow(params, return_state=True), as_json=as_json)


def promote(
    model: Annotated[str | None, typer.Argument(help="Version of the image-text model.")] = None,
    text_model: Annotated[str | None, typer.Option(help="Version for passages.")] = None,
    audio_model: Annotated[str | None, typer.Option(help="Version for sounds.")] = None,
    allow_partial: Annotated[bool, typer.Option(help="Even if it holds clearly less.")] = False,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Let searches use model versions that were built beside the live ones."""
    given = {k: v for k, v in locals().items() if k != "as_json"}
    from flows.asking_parameters import PromoteParams

    params = checked(PromoteParams, given)
    from tasks.storage.collection import Collection
    from tasks.storage.promotion import promote_in

    change = promote_in(Collection(collection), params.named, allow_partial=allow_partial)
    if as_json:
        print_json(change)
        return
    for modality, label in change.after.items():
        typer.echo(f"{modality}: {label} ({change.vectors[modality]:,} vectors)")
