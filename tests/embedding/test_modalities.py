from __future__ import annotations

import re
from pathlib import Path

from crossmodal.embedding.modalities import HANDLING
from crossmodal.modalities import MODALITIES, MODEL_FIELDS
from flows.params.asking import PromoteParams
from flows.params.base import IndexParams


def test_every_modality_has_its_row() -> None:
    assert set(HANDLING) == set(MODALITIES)


def test_every_modality_has_its_field_in_the_forms_that_name_models() -> None:
    assert tuple(MODEL_FIELDS) == MODALITIES
    for form in (IndexParams, PromoteParams):
        assert set(MODEL_FIELDS.values()) <= set(form.model_fields)


def test_search_page_offers_every_modality() -> None:
    page = (Path(__file__).parents[2] / "crossmodal/web/static/index.html").read_text("utf-8")
    assert re.findall(r'name="modality" value="(\w+)"', page) == list(MODALITIES)
