"""Put hits and chunks into the form that the API answers with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from crossmodal.previews.preview import can_show
from crossmodal.records import SECTION_SEPARATOR
from crossmodal.search.patch_map import has_map
from crossmodal.views.places import place_of
from crossmodal.web.api.schemas import (
    ChunkDetails,
    Copy,
    FoundChunk,
    FoundHit,
    Medium,
    SearchAnswer,
    WhyMatched,
)
from crossmodal.web.api.schemas import Neighbour as NeighbourView
from crossmodal.web.files.content_headers import player_of

if TYPE_CHECKING:
    from crossmodal.ledger.read.chunks import KnownChunk, SourceRow
    from crossmodal.ledger.read.surroundings import Neighbour, Surroundings
    from crossmodal.records import Hit
    from crossmodal.search.answer import Answer
    from crossmodal.search.similar import Match

API = "/api/v1"
_FACTS = (
    "page",
    "page_end",
    "chapter",
    "sheet",
    "row",
    "rows",
    "start_s",
    "end_s",
    "duration_s",
    "width",
    "height",
    "format",
    "codec",
    "language",
    "title",
)


def search_answer(found: Answer, k: int, offset: int, took_ms: float) -> SearchAnswer:
    """Return a page of hits."""
    return SearchAnswer(
        query_id=found.query_id,
        model=found.model,
        offset=offset,
        k=k,
        next_offset=offset + k if found.has_more else None,
        took_ms=round(took_ms, 1),
        reranked_by=found.reranked_by,
        verdict=found.verdict,
        notices=found.notices,
        hits=[found_hit(hit, found.plays.get(hit.uri), _why(found, hit)) for hit in found.hits],
    )


def found_hit(hit: Hit, plays: SourceRow | None, why: str | None = None) -> FoundHit:
    """Return a hit; ``plays`` is the film or sound that its words belong to, ``why`` its map."""
    return FoundHit(
        **_chunk(hit, plays),
        rank=hit.rank,
        score=hit.score,
        merit=hit.merit,
        strength=hit.strength or None,
        alike=hit.alike,
        snippet=hit.snippet,
        spans=hit.spans,
        rerank_score=hit.rerank_score,
        why=why,
    )


def _why(found: Answer, hit: Hit) -> str | None:
    asked = urlencode({"q": found.query})
    return f"{API}/why/{hit.chunk_id}?{asked}" if has_map(found, hit) else None


def chunk_details(known: KnownChunk, around: Surroundings, why: list[Match]) -> ChunkDetails:
    """Return all that is known of a chunk."""
    hit = known.hit
    return ChunkDetails(
        chunk=FoundChunk(**_chunk(hit, known.plays)),
        ordinal=hit.ordinal,
        chunker=known.chunker,
        content_hash=known.sources[0].content_hash,
        meta=hit.meta,
        copies=[
            Copy(uri=s.uri, root=s.root, modified=s.modified, indexed_at=s.indexed_at)
            for s in known.sources
        ],
        why=[
            WhyMatched(
                modality=match.vectors.modality,  # type: ignore[arg-type]
                model=match.vectors.version.label,
                score=match.standing.score,
                rank=match.standing.rank,
                num_vectors=match.standing.num_vectors,
            )
            for match in why
        ],
        before=[_neighbour(chunk) for chunk in around.before],
        after=[_neighbour(chunk) for chunk in around.after],
        parent=_neighbour(around.parent) if around.parent else None,
    )


def _chunk(hit: Hit, plays: SourceRow | None) -> dict[str, Any]:
    folder, _, name = hit.uri.rpartition("/")
    return {
        "chunk_id": hit.chunk_id,
        "kind": hit.kind,
        "modality": hit.modality,
        "uri": hit.uri,
        "name": name or hit.uri,
        "folder": folder,
        "media_type": hit.media_type,
        "size_bytes": hit.size_bytes,
        "modified": hit.modified,
        "num_copies": hit.num_copies,
        "text": hit.text,
        "section": _section(hit.section),
        "place": place_of(hit.meta),
        "facts": {name: hit.meta[name] for name in _FACTS if name in hit.meta},
        "thumbnail": _thumbnail(hit, plays),
        "source": f"{API}/source/{hit.chunk_id}",
        "medium": _medium(hit, plays),
    }


def _thumbnail(hit: Hit, plays: SourceRow | None) -> str | None:
    shown = plays.media_type if plays else hit.media_type
    return f"{API}/thumbnail/{hit.chunk_id}" if can_show(hit.kind, shown, hit.meta) else None


def _medium(hit: Hit, plays: SourceRow | None) -> Medium | None:
    player = player_of(plays.media_type if plays else hit.media_type)
    if player is None:
        return None
    url = f"{API}/source/{hit.chunk_id}" + ("?of=recording" if plays else "")
    if player == "pdf" and "page" in hit.meta:
        url += f"#page={int(hit.meta['page'])}"
    return Medium(
        player=player,
        url=url,
        start_s=hit.meta.get("start_s"),
        end_s=hit.meta.get("end_s"),
        uri=plays.uri if plays else hit.uri,
    )


def _neighbour(chunk: Neighbour) -> NeighbourView:
    return NeighbourView(
        ordinal=chunk.ordinal,
        kind=chunk.kind,
        text=chunk.text,
        section=_section(chunk.section),
        place=place_of(chunk.meta),
    )


def _section(path: str) -> list[str]:
    return path.split(SECTION_SEPARATOR) if path else []
