"""Read the search cache beside a collection to its last byte, and say what is wrong with it.

Owns the check of files that the collection names; refuses to repair, and to call a cache that is
not there a fault, since searches then compare every vector and the next run makes it anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write.ann_generations import valid_codes
from crossmodal.ledger.write.model_versions import all_versions, table_of, vector_lists
from crossmodal.vectors.ann.files import CodesDamaged, map_arrays, read_manifest
from crossmodal.vectors.ann.generation import folder_of


@dataclass(frozen=True, slots=True)
class CacheVerified:
    """Say how much of a search cache was read and what is wrong with it."""

    num_files: int = 0
    num_bytes: int = 0
    problems: list[str] = field(default_factory=list)

    def __add__(self, other: CacheVerified) -> CacheVerified:
        """Return both as one."""
        return CacheVerified(
            self.num_files + other.num_files,
            self.num_bytes + other.num_bytes,
            [*self.problems, *other.problems],
        )


def verify_cache(collection: Collection) -> CacheVerified:
    """Read every file of the codes that the collection names, and compare the checksums."""
    problems: list[str] = []
    sizes: list[int] = []
    for table, folder, token in _generations(collection):
        if not folder.is_dir():
            continue
        try:
            manifest = read_manifest(folder, token)
            files = [f for s in manifest.segments for f in (s.codes, s.ids)]
            for file in (manifest.basis, *files):
                map_arrays(folder, file)
                sizes.append(file.num_bytes)
        except CodesDamaged as error:
            problems.append(
                f"the search cache of {table} is damaged ({error}): searches compare every vector "
                "until the next run has made it anew"
            )
    return CacheVerified(len(sizes), sum(sizes), problems)


def _generations(collection: Collection) -> list[tuple[str, Path, str]]:
    with collection.read() as con:
        lists = [found for version in all_versions(con) for found in vector_lists(version)]
        valid = [(found, valid_codes(con, found)) for found in lists]
    return [
        (table_of(found), folder_of(collection.path, found), codes.token)
        for found, codes in valid
        if codes is not None
    ]
