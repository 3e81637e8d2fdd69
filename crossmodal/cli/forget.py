"""Offer to take sources or a model version out of a collection: ``forget``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossmodal.cli.options import DEFAULT_COLLECTION, CollectionOption, JsonOption
from crossmodal.cli.printing import print_json

if TYPE_CHECKING:
    from crossmodal.ledger.collection import Collection


def forget(
    named: Annotated[
        str, typer.Argument(metavar="SOURCE|ROOT|MODEL", help="A file, folder or URL; or a model.")
    ],
    collection: CollectionOption = DEFAULT_COLLECTION,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Take sources, or a model version that nothing needs, out for good; files stay."""
    from crossmodal.ledger.collection import Collection

    done, said = _forget(Collection(collection), named, dry_run)
    if as_json:
        print_json(done)
        return
    typer.echo(f"{'would forget' if dry_run else 'forgot'} {said}")


def _forget(collection: Collection, named: str, dry_run: bool) -> tuple[Any, str]:
    from crossmodal.ledger.write.model_versions import find
    from crossmodal.models.retire import retire_one
    from crossmodal.runs.forget_run import forget_sources
    from crossmodal.search.tokens.fill import sweep
    from crossmodal.views.human import counted, human_bytes

    with collection.read() as con:
        is_model = "/" not in named and bool(find(con, named))
    if is_model:
        model = retire_one(collection, named, dry_run=dry_run)
        size = human_bytes(model.freed_bytes)
        return model, f"model version {model.label}: {counted(model.num_vectors, 'vector')}, {size}"
    gone = forget_sources(collection, named, dry_run=dry_run)
    if not dry_run:
        sweep(collection, pixels=True)  # words can be told from token vectors
    return gone, (
        f"{counted(gone.num_sources, 'source')} of {gone.place}: "
        f"{counted(gone.num_contents, 'content')}, "
        f"{counted(gone.num_chunks, 'chunk')} with their vectors. The files stay; a run over them "
        "takes them up again unless --exclude or a .crossmodalignore leaves them out"
    )
