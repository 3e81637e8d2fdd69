"""Match paths against a glob, folder by folder, so that a walk enters only where a match can be.

Owns what the wildcards mean, alike for local paths and object stores: ``*``, ``?`` and ``[...]``
stay within one name, ``**`` as a whole name stands for any number of folders, and a wildcard at
the head of a name matches a leading dot only where hidden files are wanted.
"""

from __future__ import annotations

import re
from functools import lru_cache

from crossmodal.errors import PathError

_MAGIC = re.compile(r"[*?\[]")


def has_wildcard(text: str) -> bool:
    """Say whether a path holds a glob's wildcard."""
    return _MAGIC.search(text) is not None


class GlobPattern:
    """Split a glob into the folder above its first wildcard and a matcher for what lies below."""

    def __init__(self, pattern: str, include_hidden: bool = False) -> None:
        names = pattern.split("/")
        first = next(i for i, name in enumerate(names) if has_wildcard(name))
        self.base = "/".join(names[:first]) or "/"
        """The folder to walk."""
        self._names = names[first:]
        self._include_hidden = include_hidden
        try:
            self._whole = re.compile(self._regex(self._names), re.DOTALL)
        except re.error as error:
            raise PathError(f"{pattern!r} is no usable pattern: {error}") from error
        self._prefix_len = len(self.base.rstrip("/")) + 1

    def matches(self, path: str) -> bool:
        """Say whether a file below the base is meant."""
        return self._whole.fullmatch(path, self._prefix_len) is not None

    def may_hold(self, folder: str) -> bool:
        """Say whether a match can lie somewhere below a folder."""
        names = folder[self._prefix_len :].rstrip("/").split("/")
        for wanted, name in zip(self._names, names, strict=False):
            if wanted == "**":
                return self._include_hidden or not any(n.startswith(".") for n in names)
            if not re.fullmatch(self._regex([wanted]), name, re.DOTALL):
                return False
        return len(names) < len(self._names)

    def _regex(self, names: list[str]) -> str:
        visible = "" if self._include_hidden else r"(?!\.)"
        *folders, last = names
        parts = [
            f"(?:{visible}[^/]+/)*" if name == "**" else _name_regex(name, visible) + "/"
            for name in folders
        ]
        tail = f"(?:{visible}[^/]+/)*{visible}[^/]+" if last == "**" else _name_regex(last, visible)
        return "".join(parts) + tail


@lru_cache(maxsize=256)
def _name_regex(name: str, visible: str) -> str:
    """Translate the wildcards of one name; an unclosed bracket stands for itself."""
    out = visible if name[:1] in ("*", "?", "[") else ""
    position = 0
    while position < len(name):
        closing = name.find("]", position + 2) if name[position] == "[" else -1
        if closing > 0:
            out += _class_regex(name[position + 1 : closing])
            position = closing + 1
            continue
        out += {"*": "[^/]*", "?": "[^/]"}.get(name[position], re.escape(name[position]))
        position += 1
    return out


def _class_regex(members: str) -> str:
    negated = members.startswith("!")
    escaped = re.sub(r"([\\\[\]^&~|])", r"\\\1", members[negated:])
    return f"[^/{escaped}]" if negated else f"[{escaped}]"
