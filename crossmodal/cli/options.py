"""Define the options that several commands share; each is written once and helps alike everywhere.

Commands that take many alike take them as a dataclass, of which ``crossmodal.cli.spread`` makes
options. Defaults are those of the forms in ``flows.params.base``, which would be slow to import.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated

import typer

from crossmodal.chunking.rules import ChunkRules

DEFAULT_COLLECTION = "crossmodal.duckdb"
_RULES = ChunkRules()
_cutting = partial(typer.Option, rich_help_panel="How sources are cut")
_running = partial(typer.Option, rich_help_panel="How the run goes about it")

CollectionOption = Annotated[
    str,
    typer.Option("--collection", "-c", envvar="CROSSMODAL_COLLECTION", help="The DuckDB file."),
]
ModelOption = Annotated[
    str | None,
    typer.Option("--model", "-m", help="Hub id, directory, or starter, the built-in model."),
]
DeviceOption = Annotated[str, typer.Option(help="auto, cuda, mps or cpu.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


@dataclass(frozen=True, kw_only=True)
class SourceChoices:
    """Say which files go into which collection, and which models embed them."""

    paths: Annotated[list[str], typer.Argument(help="Folders, files, globs or URLs.")]
    collection: CollectionOption = DEFAULT_COLLECTION
    model: ModelOption = None
    text_model: Annotated[
        str | None,
        typer.Option(help="Text encoder for passages."),
    ] = None
    audio_model: Annotated[
        str | None,
        typer.Option(help="Audio-text model (CLAP) for sounds."),
    ] = None


@dataclass(frozen=True, kw_only=True)
class EmbedChoices(SourceChoices):
    """Say how files are cut and embedded: what every command that embeds takes."""

    revision: Annotated[str | None, typer.Option(help="Commit or tag on the hub.")] = None
    device: DeviceOption = "auto"
    dry_run: Annotated[
        bool, typer.Option(help="Only say what would be done, and how long it would take.")
    ] = False
    include_hidden: Annotated[bool, typer.Option(help="Index dotted names too.")] = False
    min_coverage: Annotated[float, typer.Option(help="Share of files that must succeed.")] = 0.95

    text_chunker: Annotated[
        str, _cutting(help="Passages: fixed, recursive, sentence, heading or semantic.")
    ] = _RULES.text_chunker
    chunk_tokens: Annotated[int, _cutting(help="Tokens of a passage.")] = _RULES.chunk_tokens
    overlap_tokens: Annotated[int, _cutting(help="Tokens shared by neighbouring passages.")] = (
        _RULES.overlap_tokens
    )
    page_images: Annotated[str, _cutting(help="Pages as pictures: never, scanned or always.")] = (
        _RULES.page_images
    )
    figures: Annotated[bool, _cutting(help="Embed pictures inside documents.")] = _RULES.figures
    caption_weight: Annotated[
        float, _cutting(help="Share of a caption in its figure's vector.")
    ] = _RULES.caption_weight
    frames: Annotated[str, _cutting(help="Films: keyframes, interval or scenes.")] = _RULES.frames
    frame_interval_s: Annotated[float, _cutting(help="Seconds between frames, at most.")] = (
        _RULES.frame_interval_s
    )
    audio_window_s: Annotated[float, _cutting(help="Seconds of sound in a chunk.")] = (
        _RULES.audio_window_s
    )
    rows_per_chunk: Annotated[int, _cutting(help="Rows of a table in a chunk.")] = (
        _RULES.rows_per_chunk
    )

    dtype: Annotated[str, _running(help="auto, float32, bfloat16 or float16.")] = "auto"
    runner: Annotated[str, _running(help="native, or ray: on a Ray cluster.")] = "native"
    batch_size: Annotated[int, _running(help="Chunks in a forward pass; 0: as suits.")] = 0
    shard_size: Annotated[int, _running(help="Files committed in one transaction.")] = 512
    max_megapixels: Annotated[float, _running(help="Larger images are refused.")] = 89.5
    max_file_mb: Annotated[int, _running(help="Larger files are refused.")] = 512
