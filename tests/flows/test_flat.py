"""What a flow takes: the fields of its form as parameters, checked in plain words."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.exceptions import ParameterBindError
from prefect.flow_engine import run_flow

from crossmodal.errors import ParametersError
from flows.index import index
from flows.params.base import IndexParams
from flows.search import search
from flows.status import report_status

pytestmark = pytest.mark.usefixtures("prefect")


def test_every_field_of_the_form_is_a_parameter_of_the_flow() -> None:
    assert set(inspect.signature(index).parameters) == set(IndexParams.model_fields)


def test_unknown_parameter_is_refused() -> None:
    with pytest.raises(ParameterBindError, match="bathc_size"):
        index(paths=["/photos"], bathc_size=8)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "paths: is missing"),
        ({"paths": []}, "paths: must not be empty"),
        ({"paths": ["/a"], "batch_size": -1}, "batch_size: must be at least 0, not -1"),
        ({"paths": ["/a"], "device": "tpu"}, "device: 'tpu' is not known: use 'auto', 'cuda'"),
    ],
)
def test_wrong_value_is_named_in_plain_words(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ParametersError, match="^" + said):
        index(**given)


def test_wrong_filter_says_what_is_allowed() -> None:
    with pytest.raises(ParametersError, match="'colour>red': 'red' is neither a number nor"):
        search(text="a car", where=["colour>red"])


def test_run_of_a_deployment_refuses_a_relative_collection() -> None:
    """Made past the schema, as a deployment of an earlier version or of `prefect deploy` does."""
    with get_client(sync_client=True) as client:
        flow_id = client.create_flow(report_status)
        deployment_id = client.create_deployment(
            flow_id, "relative", enforce_parameter_schema=False
        )
        run = client.create_flow_run_from_deployment(
            deployment_id, parameters={"collection": "photos.duckdb"}
        )
        state = run_flow(
            report_status, flow_run=run, parameters=run.parameters, return_type="state"
        )
    assert state.is_failed()
    with pytest.raises(ParametersError, match=r"'photos\.duckdb' is relative.*/srv/photos\.duckdb"):
        state.result()


def test_parameters_are_kept_as_plain_values(tmp_path: Path) -> None:
    state = report_status(collection=str(tmp_path / "none.duckdb"), return_state=True)
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(state.state_details.flow_run_id)
    assert run.parameters == {"collection": str(tmp_path / "none.duckdb")}
    assert run.name == "none: status"
    json.dumps(run.parameters)
