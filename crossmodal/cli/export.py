"""Offer stored vectors elsewhere: as files by ``export``, in a serving store by ``publish``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossmodal.cli.drawn import form_command
from crossmodal.cli.invoke import checked, run_flow
from crossmodal.cli.options import DEFAULT_COLLECTION, CollectionOption, JsonOption
from crossmodal.cli.printing import print_json, print_tables

if TYPE_CHECKING:
    from crossmodal.vectors.export import Exported, Format

_FORMATS = ("parquet", "lance")


def export(
    dest: Annotated[
        Path, typer.Argument(help="A folder, or one file: a name that ends in .parquet or .lance.")
    ],
    collection: CollectionOption = DEFAULT_COLLECTION,
    modality: Annotated[
        list[str] | None, typer.Option(help="Only image, text or audio; repeatable.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Name, number or label; default: live.")
    ] = None,
    form: Annotated[
        str, typer.Option("--format", help="parquet or lance; default: as DEST ends, or parquet.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Write vectors, with path, place and text of each chunk, to DEST: one file a modality."""
    chosen = _format(form, dest)
    from crossmodal.views.human import human_bytes
    from crossmodal.views.text_table import TextTable

    written = _written(collection, dest.expanduser(), modality or [], model, chosen)
    if as_json:
        print_json(written)
        return
    rows = [
        (w.file, w.modality, w.model, f"{w.num_vectors:,}", f"{w.dim:,}", human_bytes(w.size_bytes))
        for w in written
    ]
    header = ("file", "modality", "model version", "vectors", "dim", "size")
    print_tables([TextTable("exported", header, rows, num_words=3)])


@form_command("flows.params.publish:PublishParams")
def publish(
    given: dict[str, Any],
    listed: Annotated[
        bool,
        typer.Option("--list", help="Only list what was published where, and what stores lack."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring a Lance, PostgreSQL or Qdrant store in step with the collection; sends what changed."""
    from flows.params.publish import PublishParams

    params = checked(PublishParams, given)
    if listed:
        _list_published(params.collection, params.to, as_json=as_json)
        return
    if not params.to:
        raise typer.BadParameter(
            "--to is missing: name a store, such as lance:///srv/photos, "
            "postgresql://USER@HOST/DATABASE or qdrant://HOST:6333"
        )
    run_flow(_publish_flow, params, as_json=as_json)


def _list_published(collection: str, to: str, *, as_json: bool) -> None:
    from crossmodal.ledger.collection import Collection
    from crossmodal.publishing.published import published

    found = published(Collection(collection), to)
    if as_json:
        print_json(found.to_dict())
    else:
        print_tables(found.to_tables())


def _publish_flow() -> Any:
    from flows.publish import publish as flow

    return flow


def _format(form: str, dest: Path) -> Format:
    named = dest.suffix.lower().lstrip(".")
    chosen = form or (named if named in _FORMATS else "parquet")
    if chosen not in _FORMATS:
        raise typer.BadParameter(f"--format {form}: choose one of {', '.join(_FORMATS)}")
    if named in _FORMATS and named != chosen:
        raise typer.BadParameter(f"{dest} ends in .{named}, but --format is {chosen}")
    return "lance" if chosen == "lance" else "parquet"


def _written(
    collection: str, dest: Path, modalities: list[str], model: str | None, form: Format
) -> list[Exported]:
    from crossmodal.ledger.collection import Collection
    from crossmodal.ledger.read.vector_rows import num_rows
    from crossmodal.runs.progress import make_progress
    from crossmodal.search.lists import serving_lists
    from crossmodal.search.options import QueryOptions
    from crossmodal.vectors.export import export as write
    from crossmodal.vectors.export import refuse_unwritable

    opened, progress = Collection(collection), make_progress(sys.stderr)
    options = QueryOptions(collection=collection, model=model, modalities=tuple(modalities))
    with opened.read() as con:
        lists = serving_lists(con, opened.path, options)
        files = _files(dest, [held.modality for held in lists], form)
        for file in files:
            refuse_unwritable(file, form)
        progress.start(sum(num_rows(con, held) for held in lists), "vectors")
        try:
            return [
                write(con, held, file, form, progress.advance)
                for held, file in zip(lists, files, strict=True)
            ]
        finally:
            progress.finish()


def _files(dest: Path, modalities: list[str], form: Format) -> list[Path]:
    """Return the file of each modality; a file named by hand holds only one."""
    if dest.suffix.lower() != f".{form}":
        return [dest / f"{modality}.{form}" for modality in modalities]
    if len(modalities) > 1:
        raise typer.BadParameter(
            f"{dest} is one file, but there are vectors of {' and '.join(modalities)}: name one "
            "with --modality, or a folder"
        )
    return [dest]
