"""List the objects below a URL, by folder or in one sweep; errors below the top are refusals.

Owns what a URL given by a person means: one object, all below a prefix, or a glob. On a web server
a folder is a URL that ends in a slash and answers with an index page.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from crossmodal.files.remote import RemoteFiles, explain
from crossmodal.records import Rejected
from crossmodal.sources.listing.ignoring import Ignoring, is_ignored
from crossmodal.sources.listing.patterns import GlobPattern, has_wildcard
from crossmodal.sources.listing.roots import FixedWalk, Found, Root, Walk, refused
from crossmodal.sources.options import ListOptions

# Web servers can lead in circles by links; object stores cannot.
_MAX_DEPTH = 32
_NUM_REQUESTS = 16


class RemoteWalk:
    """Iterate over the objects below a URL; afterwards say what was left out and why.

    Listings are held in memory one folder at a time: about a kilobyte an object.
    """

    def __init__(
        self, files: RemoteFiles, options: ListOptions, pattern: GlobPattern | None
    ) -> None:
        self.rejected: list[Rejected] = []
        self.unreadable: list[str] = []
        self.num_hidden = 0
        self.num_ignored = 0
        self._files = files
        self._folder = (pattern.base if pattern else files.path).rstrip("/")
        self._pattern = pattern
        self._skip_dots = not options.include_hidden and pattern is None
        self._rules = Ignoring(self._folder, options.patterns, heed_files=False).rules_of("")

    def __iter__(self) -> Iterator[Found]:
        try:
            children = self._files.children(self._folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise explain(self._files, error) from error
        yield from self._among(children, self._folder, depth=0)

    def _below(self, folder: str, depth: int) -> Iterator[Found]:
        try:
            children = self._files.children(folder)
        except FileNotFoundError:
            return
        except OSError as error:
            self._refuse(folder, error)
            return
        yield from self._among(children, folder, depth)

    def _among(self, children: list[dict[str, Any]], folder: str, depth: int) -> Iterator[Found]:
        yield from self._files_of(children)
        for child in children:
            name = child["name"]
            if child["type"] != "directory" or name.rstrip("/") == folder.rstrip("/"):
                continue
            if self._wants_folder(name) and depth < _MAX_DEPTH:
                yield from self._sweep(name, depth)

    def _sweep(self, folder: str, depth: int) -> Iterator[Found]:
        """Take a whole folder at once where every object of it is wanted and the store can."""
        if self._pattern is not None or self._files.is_web:
            yield from self._below(folder, depth + 1)
            return
        try:
            yield from self._files_of(self._files.descendants(folder))
        except FileNotFoundError:
            return
        except OSError as error:
            self._refuse(folder, error)

    def _files_of(self, infos: list[dict[str, Any]]) -> list[Found]:
        wanted = [info for info in infos if info["type"] == "file" and self._wants(info["name"])]
        if any(info.get("size") is None for info in wanted):
            with ThreadPoolExecutor(_NUM_REQUESTS) as pool:
                asked = pool.map(lambda info: self._ask(info["name"]), wanted)
                wanted = [info for info in asked if info is not None]
        return [_found(self._files.uri(info["name"]), info) for info in wanted]

    def _ask(self, name: str) -> dict[str, Any] | None:
        try:
            return {**self._files.info(name), "name": name}
        except FileNotFoundError:
            return None
        except OSError as error:
            self._refuse(name, error)
            return None

    def _wants(self, name: str) -> bool:
        # A key that ends in a slash marks a folder; a web page's ?C=N links sort its own listing.
        if name.endswith("/") or (self._files.is_web and "?" in name):
            return False
        if is_ignored(self._rules, name, is_folder=False):
            self.num_ignored += 1
            return False
        return self._pattern.matches(name) if self._pattern else self._is_visible(name)

    def _wants_folder(self, name: str) -> bool:
        if is_ignored(self._rules, name, is_folder=True):
            self.num_ignored += 1
            return False
        return self._pattern.may_hold(name) if self._pattern else self._is_visible(name)

    def _is_visible(self, name: str) -> bool:
        if self._skip_dots and "/." in name[len(self._folder) :]:
            self.num_hidden += 1
            return False
        return True

    def _refuse(self, name: str, error: OSError) -> None:
        uri = self._files.uri(name).rstrip("/")
        self.rejected.append(refused(uri, "unreadable_folder", error))
        self.unreadable.append(uri)


def open_remote(url: str, options: ListOptions) -> tuple[Root, Walk]:
    """Return the root that a URL names, and its walk.

    Raises:
        PathError: no driver, no permission, no such bucket, not reachable.
    """
    files = RemoteFiles(url)
    if "*" in files.path or (has_wildcard(files.path) and not files.is_web):
        pattern = GlobPattern(files.path, options.include_hidden)
        _refuse_unknown_bucket(files)
        base = files.uri(pattern.base)
        root = Root(files.uri(files.path), "glob", 0, False, base, options.include_hidden)
        return root, RemoteWalk(files, options, pattern)
    name = files.uri(files.path).rstrip("/")
    try:
        info = files.info()
    except FileNotFoundError:
        _refuse_unknown_bucket(files)
        return Root(name, "folder", 0, True, name, options.include_hidden), FixedWalk()
    except OSError as error:
        raise explain(files, error) from error
    if info["type"] == "file" and not (files.is_web and url.endswith("/")):
        return Root(name, "url", 0, False, name, True), FixedWalk([_found(name, info)])
    root = Root(name, "folder", 0, False, name, options.include_hidden)
    return root, RemoteWalk(files, options, None)


def _refuse_unknown_bucket(files: RemoteFiles) -> None:
    try:
        exists = files.bucket_exists()
    except OSError as error:
        raise explain(files, error) from error
    if not exists:
        raise explain(files, FileNotFoundError(files.path))


def _found(uri: str, info: dict[str, Any]) -> Found:
    """Return one object as a row of the manifest; size and time are 0 if the store has none."""
    changed = info.get("LastModified") or info.get("mtime") or info.get("updated")
    changed = changed or info.get("Last-Modified")
    return uri, int(info.get("size") or 0), _nanoseconds(changed)


def _nanoseconds(changed: Any) -> int:
    if isinstance(changed, str):
        try:
            changed = datetime.fromisoformat(changed)
        except ValueError:
            changed = parsedate_to_datetime(changed)
    if isinstance(changed, datetime):
        changed = changed.timestamp()
    return round(float(changed or 0) * 1e6) * 1000
