"""What the run forms ask for is an interface: a change of it has to be wanted."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from prefect.flows import Flow
from prefect.utilities.callables import parameter_schema

from flows.ask import ask
from flows.backfill import backfill
from flows.distil import distil
from flows.evaluate import evaluate
from flows.finetune import finetune
from flows.index import index
from flows.moderate import moderate
from flows.params.flat import deployment_schema
from flows.promote import promote
from flows.publish import publish
from flows.recommend import recommend
from flows.search import search
from flows.status import report_status

SNAPSHOTS = Path(__file__).with_name("snapshots")
UPDATE = "CROSSMODAL_UPDATE_SNAPSHOTS"
FLOWS = (
    index,
    backfill,
    search,
    ask,
    recommend,
    report_status,
    promote,
    evaluate,
    moderate,
    finetune,
    publish,
    distil,
)


@pytest.mark.parametrize("flow", FLOWS, ids=lambda f: f.name)
def test_form_is_what_the_snapshot_says(flow: Flow[..., object]) -> None:
    schema = deployment_schema(flow).model_dump(exclude_unset=True)
    text = json.dumps(schema, indent=2, sort_keys=True) + "\n"
    snapshot = SNAPSHOTS / f"{flow.name}.json"
    if os.environ.get(UPDATE):
        snapshot.write_text(text)
    assert snapshot.read_text() == text, (
        f"the form of {flow.name} is another. Deployments hold the old one until `crossmodal "
        f"deploy`, and saved schedules the old values. If that is wanted: {UPDATE}=1 pytest "
        f"{Path(__file__).name}, and look at the difference before committing it"
    )


@pytest.mark.parametrize("flow", FLOWS, ids=lambda f: f.name)
def test_every_field_has_a_title_a_description_and_a_place(flow: Flow[..., object]) -> None:
    fields = parameter_schema(flow).properties
    for name, field in fields.items():
        assert field["title"], name
        assert field["description"].endswith("."), name
    assert sorted(field["position"] for field in fields.values()) == list(range(len(fields)))
