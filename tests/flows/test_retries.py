"""A stage tries again what may pass, and gives up at once on what will not."""

from __future__ import annotations

import pytest
from prefect import flow

from crossmodal.errors import CollectionBusy, PathError
from tasks.stage import stage

pytestmark = pytest.mark.usefixtures("prefect")


def test_transient_failure_is_tried_again_until_it_passes() -> None:
    attempts = []

    @stage("flaky")
    def flaky() -> str:
        attempts.append(1)
        if len(attempts) < 2:
            raise CollectionBusy("somebody else is writing")
        return "done"

    assert flow(name="flaky")(lambda: flaky())() == "done"
    assert len(attempts) == 2


@pytest.mark.parametrize("error", [PathError("no such folder"), ValueError("a bug")])
def test_permanent_failure_is_tried_once(error: Exception) -> None:
    attempts = []

    @stage("broken")
    def broken() -> None:
        attempts.append(1)
        raise error

    with pytest.raises(type(error)):
        flow(name="broken")(lambda: broken())()
    assert len(attempts) == 1
