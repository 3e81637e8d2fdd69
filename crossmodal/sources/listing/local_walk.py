"""Walk one local folder: every regular file below it, once, with its size and its time.

Owns what counts as a file here (links are followed; pipes, sockets and devices are none) and what
happens to what cannot be read; never opens a file. Invariant: a folder that could not be read to
its end is named in ``unreadable``, so that nothing below it is taken for deleted.
"""

from __future__ import annotations

import errno
import heapq
import os
import stat
from collections.abc import Iterator

from crossmodal.errors import PathError
from crossmodal.records import Rejected
from crossmodal.sources.listing.ignoring import Ignoring, Rules, is_ignored
from crossmodal.sources.listing.patterns import GlobPattern, has_wildcard
from crossmodal.sources.listing.roots import FixedWalk, Found, Root, Walk, refused
from crossmodal.sources.options import ListOptions

_NOTHING_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)


class FolderWalk:
    """Iterate over the files of a folder; afterwards say what was left out and why.

    A folder is entered once even where links lead to it again, and by its own path rather than
    by a link's: links to folders are followed last, in the order of their paths.
    """

    def __init__(
        self, folder: str, options: ListOptions, pattern: GlobPattern | None = None
    ) -> None:
        self.rejected: list[Rejected] = []
        self.unreadable: list[str] = []
        self.num_hidden = 0
        self.num_ignored = 0
        self._folder = folder
        self._pattern = pattern
        # A pattern says itself which dots it matches.
        self._skip_dots = not options.include_hidden and pattern is None
        self._excluded = frozenset(os.path.realpath(path) for path in options.exclude)
        self._excluded_names = tuple(os.path.basename(path) for path in self._excluded)
        self._ignoring = Ignoring(folder, options.patterns, heed_files=options.heed_ignore_files)
        self._rules: Rules = ()
        self._folders: list[str] = []
        self._links: list[str] = []
        self._entered: set[tuple[int, int]] = set()

    def __iter__(self) -> Iterator[Found]:
        self._folders.append(self._folder)
        while self._folders or self._links:
            folder = self._folders.pop() if self._folders else heapq.heappop(self._links)
            yield from self._scan(folder)

    def _scan(self, folder: str) -> Iterator[Found]:
        try:
            if self._entered_before(folder):
                return
            self._rules = self._ignoring.rules_of(folder)
            with os.scandir(folder) as entries:
                for entry in entries:
                    found = self._look_at(entry)
                    if found is not None:
                        yield found
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            self._refuse(folder, "unreadable_folder", error)

    def _entered_before(self, folder: str) -> bool:
        status = os.stat(folder)
        key = (status.st_dev, status.st_ino)
        if key in self._entered:
            return True
        self._entered.add(key)
        return False

    def _look_at(self, entry: os.DirEntry[str]) -> Found | None:
        """Return a file; put a folder aside for later; raise what makes the folder unreadable."""
        name = entry.name
        if self._skip_dots and name[0] == ".":
            self.num_hidden += 1
            return None
        if not (name.isascii() or self._is_utf8(entry)):
            return None
        if name.startswith(self._excluded_names) and self._is_excluded(entry.path):
            return None
        try:
            return self._file_or_folder(entry)
        except FileNotFoundError:
            return None
        except OSError as error:
            if not entry.is_symlink():
                raise
            # A link to itself is a name without a file; any other link may lead somewhere else.
            if error.errno != errno.ELOOP:
                self._refuse(entry.path, "unreadable", error)
            return None

    def _file_or_folder(self, entry: os.DirEntry[str]) -> Found | None:
        path, is_folder = entry.path, entry.is_dir()
        if self._rules and is_ignored(self._rules, path, is_folder=is_folder):
            self.num_ignored += 1
            return None
        if is_folder:
            if self._pattern is None or self._pattern.may_hold(path):
                self._put_aside(entry)
            return None
        if self._pattern is not None and not self._pattern.matches(path):
            return None
        status = entry.stat()
        if not stat.S_ISREG(status.st_mode):
            return None
        return path, status.st_size, status.st_mtime_ns

    def _put_aside(self, entry: os.DirEntry[str]) -> None:
        if entry.is_symlink():
            heapq.heappush(self._links, entry.path)
        else:
            self._folders.append(entry.path)

    def _is_utf8(self, entry: os.DirEntry[str]) -> bool:
        try:
            entry.name.encode()
        except UnicodeEncodeError:
            self.rejected.append(_undecodable(entry.path))
            return False
        return True

    def _is_excluded(self, path: str) -> bool:
        parent, name = os.path.split(path)
        resolved = os.path.join(os.path.realpath(parent), name)
        return any(
            resolved == excluded or resolved.startswith(f"{excluded}.")
            for excluded in self._excluded
        )

    def _refuse(self, path: str, reason: str, error: OSError) -> None:
        self.rejected.append(refused(path, reason, error))
        self.unreadable.append(path)


def _undecodable(path: str) -> Rejected:
    """Return the refusal of a name that is not UTF-8, which no ledger or screen could show."""
    shown = os.fsencode(path).decode("utf-8", "backslashreplace")
    detail = "the name is not valid UTF-8; rename the file"
    return Rejected(shown, "discover", "undecodable_name", detail)


def open_local(path: str, options: ListOptions) -> tuple[Root, Walk]:
    """Return the root that a local path names, and its walk.

    Raises:
        PathError: it is neither a file nor a folder, or no usable pattern.
    """
    absolute = os.path.abspath(os.path.expanduser(path))
    if has_wildcard(absolute) and not os.path.lexists(absolute):
        return _open_glob(absolute, options)
    try:
        absolute.encode()
        status = os.stat(absolute)
    except UnicodeEncodeError:
        refusal = _undecodable(absolute)
        return Root(refusal.uri, "file"), FixedWalk(rejected=[refusal])
    except OSError as error:
        if error.errno in _NOTHING_THERE:
            return Root(absolute, "folder", 0, True, absolute, options.include_hidden), FixedWalk()
        return Root(absolute, "file"), FixedWalk(rejected=[refused(absolute, "unreadable", error)])
    if stat.S_ISDIR(status.st_mode):
        root = Root(absolute, "folder", 0, False, absolute, options.include_hidden)
        return root, FolderWalk(absolute, options)
    if not stat.S_ISREG(status.st_mode):
        raise PathError(f"{absolute!r} is neither a file nor a folder, but a pipe or a device")
    root = Root(absolute, "file", 0, False, absolute, True)
    return root, FixedWalk([(absolute, status.st_size, status.st_mtime_ns)])


def _open_glob(pattern: str, options: ListOptions) -> tuple[Root, Walk]:
    glob = GlobPattern(pattern, options.include_hidden)
    missing = not os.path.isdir(glob.base)
    root = Root(pattern, "glob", 0, missing, glob.base, options.include_hidden)
    return root, FixedWalk() if missing else FolderWalk(glob.base, options, glob)
