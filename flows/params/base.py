"""Declare what a person may set on each flow: one shallow, frozen form a flow.

Every field becomes a parameter of the flow (``flows.params.flat``). The Prefect UI draws its form
from these, the command line its options. Unknown names are refused.
"""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from crossmodal.chunking.rules import ChunkRules
from crossmodal.embedding.options import EmbedOptions
from crossmodal.modalities import MODEL_FIELDS, OTHERS
from crossmodal.models.options import DEFAULT_MODEL, DEFAULT_TEXT_MODEL, LineupSpec, ModelSpec
from crossmodal.runs.options import RunOptions
from crossmodal.sources.options import ListOptions, PlanRules
from flows.params.chunking import ChunkParams
from flows.params.forms import RUNNING, OnCommandLine, Place, Text, remembered

DEFAULT_COLLECTION = "crossmodal.duckdb"


class CollectionParams(BaseModel):
    """What every flow needs to know."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    collection: Annotated[
        str, OnCommandLine(("--collection", "-c"), env="CROSSMODAL_COLLECTION")
    ] = Field(
        default=DEFAULT_COLLECTION,
        title="Collection",
        description="The DuckDB file that holds the embeddings; indexing creates it.",
        min_length=1,
    )

    @property
    def left_open(self) -> frozenset[str]:
        """Return the fields that nobody named and whose values the collection remembers."""
        return remembered(type(self)) - self.model_fields_set

    @property
    def collection_name(self) -> str:
        """Return the collection as run names call it: the file's name without its suffix."""
        return PurePath(self.collection).stem

    @property
    def run_name(self) -> str:
        """Return what the Prefect UI calls a run with these values."""
        return self.collection_name


class FlowParams(CollectionParams):
    """What every flow with a model needs to know."""

    model: Annotated[Text, OnCommandLine(("--model", "-m"))] = Field(
        default="",
        title="Model",
        description="Hub id or directory of an image-text model. Empty: the collection's live "
        f"model version, or {DEFAULT_MODEL} for a new collection.",
    )
    device: Literal["auto", "cuda", "mps", "cpu"] = Field(
        default="auto",
        title="Device",
        description="Where the model runs. auto: CUDA, then Apple's MPS, then the processor.",
    )


class EmbedParams(FlowParams, ChunkParams):
    """What every flow that embeds needs to know."""

    paths: Annotated[list[Place], OnCommandLine(argument=True)] = Field(
        title="Paths",
        description="Folders, files, globs or URLs (s3://, gs://, https://) to index.",
        min_length=1,
    )
    text_model: Text = Field(
        default="",
        title="Model for passages",
        description="Hub id or directory of a text encoder. Empty: the collection's, or "
        f"{DEFAULT_TEXT_MODEL} where no model is named at all, or the image-text model.",
    )
    audio_model: Text = Field(
        default="",
        title="Model for sounds",
        description="Hub id or directory of an audio-text model, such as a CLAP. Empty: --model "
        "where it hears too, else sounds are skipped.",
    )
    revision: Text = Field(
        default="",
        title="Model revision",
        description="Commit or tag on the hub; pinned in the model version. Ignored for a folder.",
    )
    dtype: Annotated[Literal["auto", "float32", "bfloat16", "float16"], RUNNING] = Field(
        default="auto",
        title="Number format",
        description="What the forward pass computes in. auto: what the collection already uses, "
        "else bfloat16 where the processor has it. Another format is another model version.",
    )
    backend: Annotated[Literal["auto", "torch", "openvino"], RUNNING] = Field(
        default="auto",
        title="Backend",
        description="What runs image towers on the processor. auto: OpenVINO where "
        "crossmodal[openvino] is installed and a large run measured it to be faster, with the same "
        "vectors; else torch.",
    )
    runner: Annotated[Literal["native", "ray"], RUNNING] = Field(
        default="native",
        title="Runner",
        description="Where files are read and embedded: in this process, or on the Ray cluster "
        "that RAY_ADDRESS names (needs crossmodal[ray]).",
    )
    dry_run: bool = Field(
        default=False,
        title="Dry run",
        description="Only say what would be done, and how long it would take.",
    )
    include_hidden: bool = Field(
        default=False,
        title="Include hidden files",
        description="Index files and folders whose name begins with a dot.",
    )
    archives: bool = Field(
        default=False,
        title="Look into archives",
        description="Index the files in tars, such as WebDataset's shards, packed or not, and the "
        "pictures and sounds in rows of Hugging Face's Parquet files, each as a source of its own; "
        "captions, labels and metadata.* beside them become columns to filter by. Once indexed "
        "they stay, also where a later run does not look.",
    )
    exclude: list[str] = Field(
        default_factory=list,
        title="Exclude",
        description="What to leave out, as in a .gitignore: *.tmp, drafts/, /old/*.jpg.",
    )
    ignore_files: bool = Field(
        default=True,
        title="Heed ignore files",
        description="Leave out what .gitignore and .crossmodalignore files name.",
    )
    min_coverage: float = Field(
        default=0.95,
        title="Coverage gate",
        description="The run ends Failed when less than this share of the planned files got a "
        "vector.",
        ge=0.0,
        le=1.0,
    )
    stage_timeout_s: Annotated[float, RUNNING] = Field(
        default=0.0,
        title="Longest stage",
        description="Seconds after which a stage is ended and the run with it, such as when a file "
        "server hangs; what is committed stays. 0: no limit.",
        ge=0.0,
    )
    batch_size: Annotated[int, RUNNING] = Field(
        default=0,
        title="Batch size",
        description="Most chunks in one forward pass; halved by itself when memory runs out. "
        "0: what suits the device, found by the first large run and remembered.",
        ge=0,
        le=4096,
    )
    shard_size: Annotated[int, RUNNING] = Field(
        default=512,
        title="Shard size",
        description="Files embedded and committed in one transaction: what a crash can cost.",
        ge=1,
        le=100_000,
    )
    max_megapixels: Annotated[float, RUNNING] = Field(
        default=89.5,
        title="Megapixel limit",
        description="Larger images are quarantined. 89.5 is where Pillow suspects a bomb.",
        gt=0,
        le=2000,
    )
    max_file_mb: Annotated[int, RUNNING] = Field(
        default=512,
        title="File size limit (MB)",
        description="Larger files are quarantined unread.",
        ge=1,
        le=65_536,
    )

    keep_undo: Annotated[Text, RUNNING] = Field(
        default="",
        title="Keep for undo",
        description="How many runs `crossmodal undo` can take back from now on, or what they may "
        "take, such as 500MB; 0 keeps nothing. Empty: as before, 5 runs at first.",
        pattern=r"(?i)^\s*(\d{1,9}\s*([kmgt]b)?)?\s*$",
    )

    def run_options(self) -> RunOptions:
        """Return how the run is recorded."""
        return RunOptions(
            record=not self.dry_run,
            keep_undo=self.keep_undo.strip(),
            stage_timeout_s=self.stage_timeout_s,
        )

    def list_options(self) -> ListOptions:
        """Return what discovery looks at."""
        return ListOptions(
            include_hidden=self.include_hidden,
            archives=self.archives,
            patterns=tuple(self.exclude),
            heed_ignore_files=self.ignore_files,
        )

    def lineup_spec(self) -> LineupSpec:
        """Return the models asked for; what is left open is the collection's own."""
        named = {modality: getattr(self, name) for modality, name in MODEL_FIELDS.items()}
        return LineupSpec(
            joint=ModelSpec(self.model, self.revision or None) if self.model else None,
            text=ModelSpec(self.text_model) if self.text_model else None,
            others={name: ModelSpec(named[name]) for name in OTHERS if named[name]},
        )

    @property
    def named_rules(self) -> frozenset[str]:
        """Return which rules of cutting were asked for by name."""
        return remembered(type(self)) & self.model_fields_set

    def chunk_rules(self) -> ChunkRules:
        """Return how sources are cut, but for what the collection remembers."""
        return ChunkRules(
            text_chunker=self.text_chunker,
            chunk_tokens=self.chunk_tokens,
            overlap_tokens=self.overlap_tokens,
            page_images=self.page_images,
            figures=self.figures,
            caption_weight=self.caption_weight,
            frames=self.frames,
            frame_interval_s=self.frame_interval_s,
            clips=self.clips,
            regions=self.regions,
            audio_window_s=self.audio_window_s,
            audio_overlap_s=min(ChunkRules().audio_overlap_s, self.audio_window_s / 5),
            rows_per_chunk=self.rows_per_chunk,
            ocr=self.ocr,
            speech_model=absolute(self.speech_model),
            max_megapixels=self.max_megapixels,
        )

    def embed_options(self, rules: ChunkRules) -> EmbedOptions:
        """Return how a shard is embedded whose sources are cut by these rules."""
        return EmbedOptions(
            device=self.device,
            backend=self.backend,
            batch_size=self.batch_size,
            runner=self.runner,
            max_megapixels=self.max_megapixels,
            max_file_bytes=self.max_file_mb * 1_000_000,
            chunk_rules=rules,
        )


class IndexParams(EmbedParams):
    """Bring a collection in step with folders and buckets of files.

    Only what changed since the last run is read and embedded.
    """

    columns: list[str] = Field(
        default_factory=list,
        title="Columns",
        description="CSV, JSONL or Parquet files that say something of the files, to filter by: "
        "one column holds paths, such as path, any other becomes a filter, such as label=red.",
    )
    retry_failed: bool = Field(
        default=False,
        title="Retry what failed",
        description="Try quarantined files again even though they have not changed.",
    )
    allow_delete: bool = Field(
        default=False,
        title="Allow large deletions",
        description="Delete rows even where a root is missing or most of its files are gone.",
    )

    @property
    def run_name(self) -> str:
        """Return what the Prefect UI calls a run with these values."""
        what = "index (dry run)" if self.dry_run else "index"
        return f"{self.collection_name}: {what} {counted(self.paths)}"

    def plan_rules(self) -> PlanRules:
        """Return what the plan may do."""
        return PlanRules(
            retry_failed=self.retry_failed,
            allow_delete=self.allow_delete,
            shard_size=self.shard_size,
        )


def counted(paths: list[str]) -> str:
    """Return how many paths there are, or the last part of the only one."""
    return f"{len(paths)} paths" if len(paths) > 1 else PurePath(paths[0]).name or paths[0]


def absolute(place: str) -> str:
    """Return a place so that it means the same in any folder; a URL or a hub id stays as it is."""
    if not place or "://" in place or not Path(place).expanduser().exists():
        return place
    return str(Path(place).expanduser().absolute())
