"""Offer several collections to Python as one: files here, and those that are served elsewhere.

Owns nothing but the way in; ``search.federation`` asks and merges.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from crossmodal.errors import FilterError
from crossmodal.face.hits import Hits, hits_of
from crossmodal.face.opened import Paths, Words, explained, query_of, query_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class OpenCollections:
    """Search several collections as one; safe between threads. ``crossmodal.open`` makes it."""

    addresses: tuple[str, ...]
    model: str | None = None
    device: str = "auto"
    deadline_s: float = 60.0

    def search(
        self,
        text: str | None = None,
        *,
        image: Paths | bytes | Image | None = None,
        k: int = 10,
        where: Words = (),
        modalities: Words = (),
        offset: int = 0,
    ) -> Hits:
        """Return what means a text or is like a picture in any of them, best first.

        Each hit says in ``collection`` where it lies; ``unanswered`` says who is not in the answer.

        Args:
            text: what to look for.
            image: path or URL of a picture, its bytes, or a PIL picture; in place of a text.
            k: how many hits, 1 to 1000.
            where: conditions that all must hold, such as ``"path=*.jpg"``.
            modalities: only chunks of these: image, text, audio; empty for all.
            offset: hits to leave out first.

        Raises:
            FilterError, ParametersError: the question cannot be understood.
            PathError: the picture, or one of the names, cannot be used.
            CollectionError: none of them answers.
        """
        from crossmodal.search.federation.asking import many_collections

        if offset < 0:
            raise FilterError(f"offset is {offset}: leave out 0 hits or more")
        asked = query_options("", self.model, self.device, (k, where, modalities))
        many = many_collections(self.addresses, self.deadline_s)
        query = query_of(text, image)
        return hits_of(explained(lambda: many.ask(query, replace(asked, offset=offset))))


def open_collections(
    paths: Sequence[Paths], model: str | None, device: str, deadline_s: float
) -> OpenCollections:
    """Return the collections at paths or addresses; none is opened before it is asked."""
    import os

    names = tuple(os.path.expanduser(os.fspath(path)) for path in paths)
    return OpenCollections(names, model, device, deadline_s)
