"""Define the options that several commands share; each shows the same help everywhere."""

from __future__ import annotations

from typing import Annotated

import typer

CollectionOption = Annotated[
    str,
    typer.Option("--collection", "-c", envvar="CROSSMODAL_COLLECTION", help="The DuckDB file."),
]
ModelOption = Annotated[
    str | None,
    typer.Option("--model", "-m", envvar="CROSSMODAL_MODEL", help="Hub id or directory."),
]
TextModelOption = Annotated[
    str | None,
    typer.Option(envvar="CROSSMODAL_TEXT_MODEL", help="Text encoder for passages."),
]
AudioModelOption = Annotated[
    str | None,
    typer.Option(envvar="CROSSMODAL_AUDIO_MODEL", help="Audio-text model (CLAP) for sounds."),
]
RevisionOption = Annotated[str | None, typer.Option(help="Commit or tag on the hub.")]
DeviceOption = Annotated[str, typer.Option(help="auto, cuda, mps or cpu.")]
DtypeOption = Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")]
RunnerOption = Annotated[str, typer.Option(help="native, or ray: on a Ray cluster.")]
HiddenOption = Annotated[bool, typer.Option(help="Index dotted names too.")]
CoverageOption = Annotated[float, typer.Option(help="Share of files that must succeed.")]
BatchOption = Annotated[int, typer.Option(help="Chunks in one forward pass.")]
ShardOption = Annotated[int, typer.Option(help="Files committed in one transaction.")]
MegapixelOption = Annotated[float, typer.Option(help="Larger images are refused.")]
FileSizeOption = Annotated[int, typer.Option(help="Larger files are refused.")]
TextChunkerOption = Annotated[
    str, typer.Option(help="Passages: fixed, recursive, sentence, heading or semantic.")
]
ChunkTokensOption = Annotated[int, typer.Option(help="Tokens of a passage.")]
OverlapOption = Annotated[int, typer.Option(help="Tokens shared by neighbouring passages.")]
PageImagesOption = Annotated[str, typer.Option(help="Pages as pictures: never, scanned or always.")]
FiguresOption = Annotated[bool, typer.Option(help="Embed pictures inside documents.")]
CaptionOption = Annotated[float, typer.Option(help="Share of a caption in its figure's vector.")]
FramesOption = Annotated[str, typer.Option(help="Films: keyframes, interval or scenes.")]
IntervalOption = Annotated[float, typer.Option(help="Seconds between frames, at most.")]
WindowOption = Annotated[float, typer.Option(help="Seconds of sound in a chunk.")]
RowsOption = Annotated[int, typer.Option(help="Rows of a table in a chunk.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
DEFAULT_COLLECTION = "crossmodal.duckdb"
