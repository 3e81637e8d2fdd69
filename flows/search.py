"""Answer a query with the images that mean it, as a flow for the Prefect UI and schedules."""

from __future__ import annotations

from typing import Any

from flows.params.asking import SearchParams
from flows.params.flat import form_flow
from tasks.answer import answer_query, publish_answer


@form_flow("search", SearchParams)
def search(params: SearchParams) -> dict[str, Any]:
    """Search a collection by text or by picture and publish the hits as an artifact."""
    answer = answer_query(params.query_options(), params.text or None, params.image or None)
    publish_answer(answer, params.collection)
    return answer.to_dict()
