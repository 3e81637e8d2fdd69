from __future__ import annotations

import subprocess
import sys

import pytest

from tasks.chunking.registry import chunker_for, fingerprints


@pytest.mark.parametrize("media_type", ["image/png", "image/heif", "IMAGE/JPEG", "image/svg+xml"])
def test_every_image_type_has_the_image_chunker(media_type: str) -> None:
    chunker = chunker_for(media_type)
    assert chunker is not None
    assert (chunker.kind, chunker.modality) == ("image", "image")


@pytest.mark.parametrize("media_type", ["text/csv", "application/octet-stream", "images/png", ""])
def test_other_types_have_no_chunker(media_type: str) -> None:
    assert chunker_for(media_type) is None


def test_fingerprints_are_those_of_the_chunkers_in_charge() -> None:
    assert fingerprints() == {"image/*": chunker_for("image/png").fingerprint}


def test_registry_costs_no_image_library() -> None:
    code = "import sys, tasks.chunking.registry; print({'PIL', 'numpy'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"
