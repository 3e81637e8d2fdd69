"""Recommend, and publish what is recommended."""

from __future__ import annotations

from prefect.artifacts import create_markdown_artifact

from crossmodal.recommendation.options import RecommendOptions
from crossmodal.recommendation.recommend import recommend
from crossmodal.recommendation.recommendation import Recommendation
from crossmodal.views.keys import collection_key
from tasks.stage import showing, stage


@stage("recommend")
def find_recommendations(options: RecommendOptions) -> Recommendation:
    """Return what suits these likes and dislikes."""
    return recommend(options)


@stage("publish recommendations")
def publish_recommendations(found: Recommendation, collection: str) -> None:
    """Show what is recommended in the Prefect UI."""
    with showing():
        create_markdown_artifact(
            found.to_markdown(),
            key=collection_key("recommendations", collection),
            description=found.title,
        )
