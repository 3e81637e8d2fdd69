"""Recommend from likes and dislikes, as a flow for the Prefect UI and schedules."""

from __future__ import annotations

from typing import Any

from flows.params.flat import form_flow
from flows.params.recommend import RecommendParams
from tasks.recommend import find_recommendations, publish_recommendations


@form_flow("recommend", RecommendParams)
def recommend(params: RecommendParams) -> dict[str, Any]:
    """Find what somebody would like and publish it as an artifact."""
    found = find_recommendations(params.recommend_options())
    publish_recommendations(found, params.collection)
    return found.to_dict()
