"""Define the API's parameters with their bounds, once for all routes."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query
from pydantic import StringConstraints

from crossmodal.modalities import Modality
from crossmodal.search.words import Mode
from crossmodal.web import settings as bounds
from crossmodal.web.api.schemas import Strength
from crossmodal.web.search_pages import Ask

Condition = Annotated[str, StringConstraints(max_length=bounds.MAX_CONDITION_CHARS)]

Text = Annotated[
    str,
    Query(
        title="Text",
        description="What to look for, in words.",
        min_length=1,
        max_length=bounds.MAX_QUERY_CHARS,
        pattern=r"\S",
        examples=["a red car in the snow"],
    ),
]
Given = Annotated[str, StringConstraints(max_length=bounds.MAX_QUERY_CHARS, pattern=r"\S")]
Parts = Annotated[
    list[Given],
    Query(
        title="Parts",
        description="Texts or chunk ids to mix in or to take away; `2:text` weighs one.",
        max_length=bounds.MAX_PARTS,
    ),
]
ChunkId = Annotated[
    int, Path(title="Chunk", description="As hits name it.", ge=1, le=bounds.MAX_CHUNK_ID)
]
QueryId = Annotated[
    str | None,
    Query(
        title="Query",
        description="The query_id of an answer; then the details say why the chunk matched.",
        pattern="^[0-9a-f]{32}$",
    ),
]
Hidden = Annotated[
    bool,
    Query(title="Hidden", description="Also where a policy or a reviewer's decision hides it."),
]
Around = Annotated[
    int,
    Query(title="Neighbours", description="Chunks on either side.", ge=0, le=bounds.MAX_AROUND),
]
Side = Annotated[
    int,
    Query(
        title="Side",
        description="Pixels of the longer side; the next size that is made is given.",
        ge=16,
        le=bounds.PREVIEW_SIDES[-1],
    ),
]


def _ask(
    k: Annotated[int, Query(title="Hits", description="On a page.", ge=1, le=bounds.MAX_K)] = 24,
    offset: Annotated[
        int,
        Query(title="Offset", description="Hits to leave out first.", ge=0, le=bounds.MAX_OFFSET),
    ] = 0,
    where: Annotated[
        list[Condition],
        Query(
            title="Conditions",
            description=(
                "FIELD OPERATOR VALUE, all of which must hold: path (a glob), type (a media type "
                "or a glob), date (ISO), size (bytes, or with kB, MB, MiB), page, heading (a "
                "glob), language, duration (seconds), width, height (pixels), taken (by a "
                "camera), hidden (no, yes or any: what moderation hides comes only where this is "
                "said), or any column of a table or of your own CSV."
            ),
            max_length=bounds.MAX_CONDITIONS,
            examples=[["path=*.jpg", "date>=2024-01-31", "page=3", "year>=2010"]],
        ),
    ] = [],  # noqa: B006 - FastAPI reads it, nobody changes it
    modality: Annotated[
        list[Modality],
        Query(title="Modalities", description="Only chunks of these; none: all.", max_length=3),
    ] = [],  # noqa: B006
    group: Annotated[
        bool, Query(title="Group", description="One hit a source, its best; or every chunk.")
    ] = True,
    min_strength: Annotated[
        Strength | None,
        Query(title="Least strength", description="Hide weaker hits; none: hide none."),
    ] = None,
    mode: Annotated[
        Mode,
        Query(
            title="Mode",
            description="Meaning and words together, only meaning, or only words.",
        ),
    ] = "hybrid",
    rerank: Annotated[
        bool,
        Query(
            title="Rerank",
            description="Let the reranker that the server has, if any, order the first 50 hits.",
        ),
    ] = True,
) -> Ask:
    return Ask(
        k=k,
        offset=offset,
        where=where,
        modalities=tuple(modality),
        group=group,
        min_strength=min_strength,
        mode=mode,
        rerank=rerank,
    )


AskParameters = Annotated[Ask, Depends(_ask)]
