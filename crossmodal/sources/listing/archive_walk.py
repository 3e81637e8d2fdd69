"""Put the members of archives in their place, as if each archive were a folder.

A member is as old as its archive, so an archive that did not change costs a look at its index, and
of one that did every member is read and only what differs is embedded. Members that describe
another one (``sidecars``) are no sources; which archives and tables describe some is noted.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from crossmodal.files.archives.names import kind_of
from crossmodal.files.archives.opening import contents
from crossmodal.files.archives.tars import Contents
from crossmodal.records import Rejected
from crossmodal.sources.listing.ignoring import Ignoring, is_ignored
from crossmodal.sources.listing.roots import Found, Walk, refused
from crossmodal.sources.options import ListOptions
from crossmodal.sources.sidecars import METADATA_FILES, described_by

_MAX_TOLD = 100
"""Members of one archive that are refused by name; the others are counted."""


class ArchiveWalk:
    """Iterate over what another walk finds, and over the members of the archives among it."""

    def __init__(self, inner: Walk, options: ListOptions) -> None:
        self._inner = inner
        self._options = options
        self.rejected: list[Rejected] = inner.rejected
        self.unreadable: list[str] = inner.unreadable
        self.num_hidden = 0
        self.num_ignored = 0
        self.describing: list[str] = []
        """Archives and tables that may say something of sources."""

    def __iter__(self) -> Iterator[Found]:
        for found in self._inner:
            if posixpath.basename(found[0]) in METADATA_FILES and "://" not in found[0]:
                self.describing.append(found[0])
            if kind_of(found[0]):
                yield from self._members(*found)
            else:
                yield found
        self.num_hidden += self._inner.num_hidden
        self.num_ignored += self._inner.num_ignored

    def _members(self, archive: str, size_bytes: int, mtime_ns: int) -> Iterator[Found]:
        try:
            known = contents(archive)
        except OSError as error:
            self.rejected.append(refused(archive, "unreadable", error))
            self.unreadable.append(archive)
            return
        if known.is_table:
            yield archive, size_bytes, mtime_ns
            return
        self._tell(archive, known, size_bytes, mtime_ns)
        rules = Ignoring(archive, self._options.patterns, heed_files=False).rules_of("")
        sidecars = described_by(known.members)
        if sidecars:
            self.describing.append(archive)
        for name, place in known.members.items():
            uri = f"{archive}/{name}"
            if name in sidecars:
                continue
            if not self._options.include_hidden and "/." in f"/{name}":
                self.num_hidden += 1
            elif rules and is_ignored(rules, uri, is_folder=False):
                self.num_ignored += 1
            else:
                yield uri, place.num_bytes, mtime_ns

    def _tell(self, archive: str, known: Contents, size_bytes: int, mtime_ns: int) -> None:
        """Note what cannot be taken; what was known beyond a break may still be there."""
        for name, (reason, detail) in list(known.refused.items())[:_MAX_TOLD]:
            self.rejected.append(Rejected(f"{archive}/{name}", "discover", reason, detail))
        more = len(known.refused) - _MAX_TOLD
        if known.broken or more > 0:
            told = [known.broken] * bool(known.broken)
            told += [f"{more:,} more members are links, devices or badly named"] * (more > 0)
            detail = f"{'; '.join(told)}; {len(known.members):,} members are whole and taken"
            reason = "truncated" if known.broken else "refused_members"
            self.rejected.append(
                Rejected(
                    archive, "discover", reason, detail, size_bytes=size_bytes, mtime_ns=mtime_ns
                )
            )
        if known.broken:
            self.unreadable.append(archive)
