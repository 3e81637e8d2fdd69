"""What alerts tell of, and whom: checked against a real server, without waiting for a day."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from prefect.blocks.notifications import SlackWebhook
from prefect.client.orchestration import SyncPrefectClient
from prefect.events.actions import SendNotification

from crossmodal.errors import DeploymentError
from deployments.automations import FRESH_H, alerts
from deployments.deploy import put_automations

pytestmark = pytest.mark.process


@pytest.fixture
def forget(client: SyncPrefectClient) -> Callable[[str], None]:
    def delete(name: str) -> None:
        for automation in client.read_automations_by_name(name):
            client.delete_automation(automation.id)

    return delete


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # of apprise's
def test_every_way_of_going_wrong_is_told_of_through_a_notification_block(
    client: SyncPrefectClient, forget: Callable[[str], None]
) -> None:
    SlackWebhook(url="https://hooks.slack.com/services/a/b/c").save("team", overwrite=True)
    wanted = alerts("slack-webhook/team")
    first = put_automations("slack-webhook/team")
    again = put_automations("slack-webhook/team")
    try:
        assert {change.action for change in again} == {"unchanged"}
        assert {a.name for a in wanted} <= {change.name for change in first}
        (found,) = client.read_automations_by_name("crossmodal: tell of stale collections")
        assert found.trigger.within.total_seconds() == FRESH_H * 3600
        assert isinstance(found.actions[0], SendNotification)
        watched = {event for a in wanted for event in a.trigger.expect}
        assert watched == {
            "crossmodal.run.failed",
            "crossmodal.run.completed",
            "crossmodal.saved_search.matched",
            "prefect.flow-run.Crashed",
            "prefect.flow-run.Late",
            "prefect.work-pool.not-ready",
        }
    finally:
        for automation in wanted:
            forget(automation.name)


def test_block_that_is_not_there_is_refused_with_what_to_do(client: SyncPrefectClient) -> None:
    with pytest.raises(DeploymentError, match="BLOCKTYPE/NAME"):
        alerts("slack-webhook/nobody")
