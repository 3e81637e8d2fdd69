"""Who asks a store for the nearest vectors gets what an exact search of the collection gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossmodal.publishing.address import parse_address
from crossmodal.publishing.stores.store import table_name
from crossmodal.records import VectorList
from crossmodal.vectors.nearest import exact
from tests.publishing.conftest import fresh_address
from tests.publishing.world import World, vector_of

K = 10


def queries(world: World) -> list[np.ndarray]:
    return [vector_of(f"{number:08x}", world.model) for number in range(20)]


def expected(world: World, query: np.ndarray) -> list[int]:
    with world.collection.read() as con:
        found = exact(con, VectorList(world.model, "image"), query, K)
    return list(found.chunk_ids.tolist())


def test_postgresql_finds_the_same_as_an_exact_search(world: World, postgres_address: str) -> None:
    world.add(range(100, 400))
    world.publish(postgres_address)
    con, schema = connected(postgres_address)
    sql = (
        f"SELECT chunk_id FROM {schema}.{table_name(world.model)} WHERE modality = 'image' "
        f"ORDER BY vector <=> %s LIMIT {K}"
    )
    with con:
        for query in queries(world):
            assert [row[0] for row in con.execute(sql, [query])] == expected(world, query)
        labels = con.execute(
            f"SELECT DISTINCT modality, kind, place, text, meta ->> 'page', model, media_type "
            f"FROM {schema}.{table_name(world.model)} ORDER BY 1"
        ).fetchall()
    assert labels == [
        ("image", "image", "", "", None, world.model.label, "image/png"),
        ("text", "passage", "page 3", "of a café", "3", world.model.label, "text/plain"),
    ]


def connected(address: str) -> tuple[Any, str]:
    import psycopg
    from pgvector.psycopg import register_vector

    dsn, schema = address.split("&schema=")
    con = psycopg.connect(dsn)
    register_vector(con)
    return con, schema


def test_qdrant_finds_the_same_as_an_exact_search(
    world: World, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    address = fresh_address("qdrant", request, tmp_path)
    from qdrant_client import QdrantClient, models

    world.add(range(100, 400))
    world.publish(address)
    client = QdrantClient(path=parse_address(address).place)
    pictures = models.FieldCondition(key="modality", match=models.MatchValue(value="image"))
    for query in queries(world):
        found = client.query_points(
            f"crossmodal_{table_name(world.model)}",
            query=query.tolist(),
            query_filter=models.Filter(must=[pictures]),
            limit=K,
        )
        assert [point.id for point in found.points] == expected(world, query)
    client.close()


def test_lance_finds_the_same_as_an_exact_search(
    world: World, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    address = fresh_address("lance", request, tmp_path)
    import lance

    world.add(range(100, 400))
    world.publish(address)
    table = lance.dataset(f"{parse_address(address).place}/{table_name(world.model)}.lance")
    for query in queries(world):
        nearest = {"column": "vector", "q": query, "k": K, "metric": "cosine"}
        found = table.to_table(
            columns=["chunk_id"], nearest=nearest, filter="modality = 'image'", prefilter=True
        )
        assert found["chunk_id"].to_pylist() == expected(world, query)
