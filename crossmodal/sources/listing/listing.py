"""List what lies below the given paths into a manifest file.

Owns what a path given by a person means (folder, file, glob or URL) and the manifest's invariant:
one row a source, uri unique however the roots overlap. Reads names, sizes and times, never
content; holds one batch of rows in memory, whatever the number of files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from crossmodal.errors import PathError
from crossmodal.records import Rejected
from crossmodal.sources.listing.archive_walk import ArchiveWalk
from crossmodal.sources.listing.local_walk import open_local
from crossmodal.sources.listing.manifest import ManifestWriter, keep_one_row_a_source
from crossmodal.sources.listing.roots import Root, Walk
from crossmodal.sources.options import ListOptions
from crossmodal.views.human import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Sum up a manifest."""

    manifest: Path
    """Parquet of MANIFEST_SCHEMA."""
    num_found: int
    bytes_found: int
    roots: list[Root]
    rejected: list[Rejected]
    unreadable: list[str]
    """Folders (and links) that could not be read: what lies below them is not known."""
    num_hidden: int
    """Files and folders left out for a leading dot; what such folders hold is not counted."""
    num_ignored: int = 0
    """Files and folders left out by a pattern, counted alike."""
    describing: tuple[str, ...] = ()
    """Archives and tables that may say something of the sources, such as captions."""

    @property
    def notes(self) -> list[str]:
        """Return what a person should know of what was looked at, and what was not."""
        what = "hidden file or folder", "hidden files and folders"
        hidden = f"left out: {counted(self.num_hidden, *what)} (--include-hidden takes them)"
        ignored = (
            f"left out: {counted(self.num_ignored, 'file or folder', 'files and folders')} that "
            "--exclude, a .gitignore or a .crossmodalignore names (--no-ignore-files heeds only "
            "--exclude)"
        )
        return [hidden] * bool(self.num_hidden) + [ignored] * bool(self.num_ignored)


def list_sources(paths: list[str], manifest: Path, options: ListOptions) -> Listing:
    """Write every source below the paths to ``manifest`` and say what was found.

    A path that does not exist becomes a root with ``missing`` set: whether that is an error
    depends on what the ledger knows of it.

    Raises:
        PathError: no path was given, one is empty or neither file nor folder, or a store refuses
            to be listed.
    """
    if not paths:
        raise PathError("no path was given: name at least one folder, file, glob or URL")
    roots: dict[str, Root] = {}
    walks: list[Walk] = []
    with ManifestWriter(manifest, options.batch_rows) as writer:
        for path in dict.fromkeys(paths):
            root, walk = _open_root(path, options)
            if root.root in roots:
                continue
            roots[root.root] = replace(root, found=writer.write(root.root, walk))
            walks.append(walk)
    num_found, bytes_found = writer.num_rows, writer.num_bytes
    if len(roots) > 1:
        num_found, bytes_found = keep_one_row_a_source(manifest, _by_precedence(roots.values()))
    return Listing(
        manifest=manifest,
        num_found=num_found,
        bytes_found=bytes_found,
        roots=list(roots.values()),
        rejected=list({r.uri: r for walk in walks for r in walk.rejected}.values()),
        unreadable=sorted({uri for walk in walks for uri in walk.unreadable}),
        num_hidden=sum(walk.num_hidden for walk in walks),
        num_ignored=sum(walk.num_ignored for walk in walks),
        describing=tuple(dict.fromkeys(_describing(walks))),
    )


def _describing(walks: Iterable[Walk]) -> Iterator[str]:
    for walk in walks:
        if isinstance(walk, ArchiveWalk):
            yield from walk.describing


def _by_precedence(roots: Iterable[Root]) -> list[str]:
    """Order roots by which of them owns a source that several list: the widest first."""
    rank = {"folder": 0, "glob": 1, "file": 2, "url": 3}
    return [r.root for r in sorted(roots, key=lambda r: (rank[r.kind], len(r.root), r.root))]


def _open_root(path: str, options: ListOptions) -> tuple[Root, Walk]:
    path = path.removeprefix("file://")
    if not path.strip():
        raise PathError("a path is empty: name a folder, file, glob or URL")
    if "://" not in path:
        root, walk = open_local(path, options)
    else:
        from crossmodal.sources.listing.remote_walk import open_remote

        root, walk = open_remote(path, options)
    return root, (ArchiveWalk(walk, options) if options.archives else walk)
