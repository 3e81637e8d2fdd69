"""Keep where a training is after each epoch, so that a killed run goes on from there.

Owns one file below ``COLLECTION.training``, named by all that decides the weights: base, pairs,
parameters. It appears whole, by a rename, and goes when what was learned is registered.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from crossmodal.errors import PathError

_FILE = "epoch.pt"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Name the place of one training."""

    folder: Path

    @classmethod
    def of(cls, collection: Path, decides: Sequence[Any]) -> Checkpoint:
        """Return the place of a training beside a collection, by all that decides its weights.

        ``decides`` are plain values; dataclasses among them count by their fields.
        """
        key = json.dumps(decides, sort_keys=True, default=asdict)
        digest = hashlib.sha256(key.encode()).hexdigest()[:16]
        return cls(Path(f"{collection}.training") / digest)

    def load(self) -> dict[str, Any] | None:
        """Return what was kept; None where there is nothing, or nothing that can be read."""
        import torch

        try:
            state = torch.load(self.folder / _FILE, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            return None
        except Exception:  # torn files raise errors of zip, pickle and torch alike
            return None
        return state if isinstance(state, dict) else None

    def save(self, state: dict[str, Any]) -> None:
        """Keep a state: tensors, numbers and text.

        Raises:
            PathError: it cannot be written.
        """
        import torch

        partial = self.folder / f"{_FILE}.{os.getpid()}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            torch.save(state, partial)
            partial.replace(self.folder / _FILE)
        except (OSError, RuntimeError) as error:
            partial.unlink(missing_ok=True)
            raise PathError(
                f"the state of the training cannot be kept in {self.folder}: {error}. Make room, "
                "and begin again: it goes on after the last epoch that was kept"
            ) from error

    def clear(self) -> None:
        """Forget it."""
        shutil.rmtree(self.folder, ignore_errors=True)
