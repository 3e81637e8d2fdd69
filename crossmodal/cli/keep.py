"""Offer what keeps a collection safe: verify, backup and restore."""

from __future__ import annotations

from typing import Annotated

import typer

from crossmodal.cli.options import DEFAULT_COLLECTION, CollectionOption, JsonOption
from crossmodal.cli.printing import print_json


def verify(collection: CollectionOption = DEFAULT_COLLECTION, as_json: JsonOption = False) -> None:
    """Read every block of the collection and its search cache; exit code 1 for anything wrong."""
    from dataclasses import replace

    from crossmodal.ledger.collection import Collection
    from crossmodal.ledger.read.verify_all import verify_all
    from crossmodal.search.word_index import verify_word_index
    from crossmodal.vectors.ann.verify import verify_cache

    found = verify_all(Collection(collection))
    if not found.problems:
        cache = verify_cache(Collection(collection)) + verify_word_index(Collection(collection))
        read = f"{cache.num_bytes:,} bytes in {cache.num_files} files of its search cache"
        found = replace(found, cache=read, problems=cache.problems)
    if as_json:
        print_json(found)
    else:
        typer.echo(found.to_text())
    if found.problems:
        raise typer.Exit(1)


def backup(
    dest: Annotated[str, typer.Argument(help="A new file, or a folder to put the copy into.")],
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Write a checked copy of the collection to DEST, beside whatever is running."""
    from crossmodal.ledger.collection import Collection
    from crossmodal.ledger.copies import back_up

    copied = back_up(Collection(collection), dest)
    if as_json:
        print_json(copied)
    else:
        typer.echo(f"copied to {copied.destination}; {copied.verified.to_text()}")


def restore(
    copy: Annotated[str, typer.Argument(help="A file that `crossmodal backup` wrote.")],
    collection: CollectionOption = DEFAULT_COLLECTION,
    replace: Annotated[bool, typer.Option(help="Put it in the place of what is there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Put a checked copy in the place of the collection."""
    from crossmodal.ledger.collection import Collection
    from crossmodal.ledger.copies import restore as put_back

    copied = put_back(Collection(copy), Collection(collection), over=replace)
    if as_json:
        print_json(copied)
    else:
        typer.echo(f"restored {copied.destination}; {copied.verified.to_text()}")
