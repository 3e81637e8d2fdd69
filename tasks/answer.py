"""Answer a query and publish the answer."""

from __future__ import annotations

from prefect.artifacts import create_markdown_artifact

from crossmodal.search.answer import Answer
from crossmodal.search.cited import CitedAnswer, ask
from crossmodal.search.options import QueryOptions
from crossmodal.search.service import answer
from crossmodal.views.keys import collection_key
from tasks.stage import showing, stage


@stage("answer")
def answer_query(options: QueryOptions, text: str | None, image: str | None) -> Answer:
    """Return the hits for one text or one picture."""
    return answer(options, [text] if text else [], [image] if image else [])[0]


@stage("publish answer")
def publish_answer(found: Answer, collection: str) -> None:
    """Show the hits in the Prefect UI."""
    with showing():
        create_markdown_artifact(
            found.to_markdown(),
            key=collection_key("search-hits", collection),
            description=found.query,
        )


@stage("cite sources")
def cite_sources(question: str, options: QueryOptions) -> CitedAnswer:
    """Return the sources that answer a question, with the sentences that do."""
    return ask(question, options)


@stage("publish cited answer")
def publish_cited(found: CitedAnswer, collection: str) -> None:
    """Show the answer in the Prefect UI."""
    with showing():
        create_markdown_artifact(
            found.to_markdown(),
            key=collection_key("cited-answer", collection),
            description=found.question,
        )
