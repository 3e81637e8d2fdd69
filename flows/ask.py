"""Answer a question by cited sentences, as a flow for the Prefect UI and schedules."""

from __future__ import annotations

from typing import Any

from flows.params.asking import AskParams
from flows.params.flat import form_flow
from tasks.answer import cite_sources, publish_cited


@form_flow("ask", AskParams)
def ask(params: AskParams) -> dict[str, Any]:
    """Find the sentences, rows and moments that answer and publish them as an artifact."""
    found = cite_sources(params.text, params.query_options())
    publish_cited(found, params.collection)
    return found.to_dict()
