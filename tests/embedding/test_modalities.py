from __future__ import annotations

from crossmodal.embedding.modalities import HANDLING
from crossmodal.modalities import MODALITIES


def test_every_modality_has_its_row() -> None:
    assert set(HANDLING) == set(MODALITIES)
