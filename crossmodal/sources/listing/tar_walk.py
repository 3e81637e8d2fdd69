"""Put the members of tars in their place, as if each tar were a folder.

A member is as old as its tar, so a tar that did not change costs a look at its headers, and of one
that did every member is read and only what differs is embedded. Reads headers, never content.
"""

from __future__ import annotations

from collections.abc import Iterator

from crossmodal.files.tars import Contents, contents, is_tar
from crossmodal.records import Rejected
from crossmodal.sources.listing.ignoring import Ignoring, is_ignored
from crossmodal.sources.listing.roots import Found, Walk, refused
from crossmodal.sources.options import ListOptions

_MAX_TOLD = 100
"""Members of one tar that are refused by name; the others are counted."""


class TarWalk:
    """Iterate over what another walk finds, and over the members of the tars among it."""

    def __init__(self, inner: Walk, options: ListOptions) -> None:
        self._inner = inner
        self._options = options
        self.rejected: list[Rejected] = inner.rejected
        self.unreadable: list[str] = inner.unreadable
        self.num_hidden = 0
        self.num_ignored = 0

    def __iter__(self) -> Iterator[Found]:
        for found in self._inner:
            if is_tar(found[0]):
                yield from self._members(*found)
            else:
                yield found
        self.num_hidden += self._inner.num_hidden
        self.num_ignored += self._inner.num_ignored

    def _members(self, tar: str, size_bytes: int, mtime_ns: int) -> Iterator[Found]:
        try:
            known = contents(tar)
        except OSError as error:
            self.rejected.append(refused(tar, "unreadable", error))
            self.unreadable.append(tar)
            return
        self._tell(tar, known, size_bytes, mtime_ns)
        rules = Ignoring(tar, self._options.patterns, heed_files=False).rules_of("")
        for name, place in known.members.items():
            uri = f"{tar}/{name}"
            if not self._options.include_hidden and "/." in f"/{name}":
                self.num_hidden += 1
            elif rules and is_ignored(rules, uri, is_folder=False):
                self.num_ignored += 1
            else:
                yield uri, place.num_bytes, mtime_ns

    def _tell(self, tar: str, known: Contents, size_bytes: int, mtime_ns: int) -> None:
        """Note what of a tar cannot be taken; what was known beyond a break may still be there."""
        for name, (reason, detail) in list(known.refused.items())[:_MAX_TOLD]:
            self.rejected.append(Rejected(f"{tar}/{name}", "discover", reason, detail))
        more = len(known.refused) - _MAX_TOLD
        if known.broken or more > 0:
            told = [known.broken] * bool(known.broken)
            told += [f"{more:,} more members are links, devices or badly named"] * (more > 0)
            detail = f"{'; '.join(told)}; {len(known.members):,} members are whole and taken"
            reason = "truncated" if known.broken else "refused_members"
            self.rejected.append(
                Rejected(tar, "discover", reason, detail, size_bytes=size_bytes, mtime_ns=mtime_ns)
            )
        if known.broken:
            self.unreadable.append(tar)
