"""Turn an archive that cannot be sought in into the bytes of a plain tar, in a child process.

Owns the formats; refuses to write. Blocks come as they are made, so memory holds a few of them, or
a few rows, whatever the archive's size. What ends in the middle is refused after its whole part.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Iterator
from typing import IO, Any

from crossmodal.errors import Refused
from crossmodal.files.archives.names import Kind

# Small, since what a stream held of a block that it cannot fill is lost.
_BLOCK_BYTES = 1 << 16


def tar_of_packed(file: IO[bytes], kind: Kind) -> Iterator[bytes]:
    """Yield what a compressed tar unpacks to.

    Raises:
        Refused: ``truncated`` or ``damaged``; what came before is as it was packed.
    """
    try:
        stream = _opened(file, kind)
        while block := stream.read1(_BLOCK_BYTES):
            yield block
    except (EOFError, OSError, lzma.LZMAError, zlib.error) as error:
        is_short = isinstance(error, EOFError) or "runcated" in str(error)
        reason = "truncated" if is_short else "damaged"
        told = "it ends in the middle" if is_short else "it is damaged, or packed in another way"
        raise Refused(reason, f"{told} ({kind}: {error})") from error


def _opened(file: IO[bytes], kind: Kind) -> Any:
    if kind == "zstd":
        import pyarrow as pa

        pa.set_memory_pool(pa.system_memory_pool())  # the others reserve address space in advance
        return pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd")
    if kind == "gzip":
        return gzip.GzipFile(fileobj=file)
    return bz2.BZ2File(file) if kind == "bzip2" else lzma.LZMAFile(file)
