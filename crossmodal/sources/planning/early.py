"""Refuse what a run could only fail at, before anything is started for it.

Owns the questions that names, the ledger and the small files of a model answer at once; refuses to
list folders, to read files and to load models. Invariant: what passes here may still fail later,
but nothing is refused here that a run would have done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from crossmodal.ledger.collection import Collection
from crossmodal.models import files as model_files
from crossmodal.models.options import LineupSpec, ModelSpec, for_passages, with_defaults
from crossmodal.sources.listing.local_walk import open_local
from crossmodal.sources.listing.roots import Root
from crossmodal.sources.options import ListOptions
from crossmodal.sources.planning.guard import refuse_unknown_roots
from crossmodal.sources.planning.make_plan import reading
from crossmodal.sources.planning.temp_tables import open_ledger, register_scope


def refuse_unknown_paths(
    collection: Collection, paths: Sequence[str], options: ListOptions
) -> None:
    """Refuse local paths that match nothing and of which the ledger knows no source.

    Raises:
        PathError: there are such paths, or one is neither a file nor a folder.
        CollectionError: the collection cannot be read.
    """
    local = [path.removeprefix("file://") for path in paths]
    roots = [_looked_at(path, options) for path in local if path.strip() and "://" not in path]
    with reading(collection) as con, open_ledger(con) as ledger:
        register_scope(ledger, roots)
        refuse_unknown_roots(ledger, roots)


def refuse_unknown_models(collection: Collection, spec: LineupSpec) -> None:
    """Refuse models that a run would look for and not find, or not know how to use.

    Raises:
        ModelUnavailable, ModelUnsupported
    """
    wanted = spec if collection.exists else with_defaults(spec)
    text = wanted.text and ModelSpec(for_passages(wanted.text.name), wanted.text.revision)
    for named in filter(None, (wanted.joint, text, wanted.audio)):
        model_files.describe(model_files.resolve(named), "float32", "")


def _looked_at(path: str, options: ListOptions) -> Root:
    """Return the root of a path; of a glob it is known whether anything matches."""
    root, walk = open_local(path, options)
    if root.kind != "glob":
        return root
    return replace(root, found=int(next(iter(walk), None) is not None))
