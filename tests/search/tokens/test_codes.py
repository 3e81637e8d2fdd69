"""Token vectors in eight bits, and fewer of them."""

from __future__ import annotations

import numpy as np
import pytest

from crossmodal.encoders.rerankers.loading import load_reranker
from crossmodal.encoders.rerankers.reranker import Floats, Side, TokenReranker, max_sim
from crossmodal.errors import ModelUnsupported
from crossmodal.search.tokens.codes import TokenForm, form_of, pooled

INT8 = TokenForm(is_int8=True)


def units(num: int, dim: int = 128, seed: int = 0) -> Floats:
    drawn = np.random.default_rng(seed).normal(size=(num, dim)).astype(np.float32)
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), np.float32)


def test_max_sim_of_eight_bits_is_that_of_floats_within_half_a_step_a_component() -> None:
    query, pages = units(32), [units(num, seed=num) for num in (1, 40, 1030)]
    kept = [INT8.read(*INT8.coded(page)) for page in pages]
    off = np.abs(max_sim(query, kept) - max_sim(query, pages))
    half_steps = max(float(np.abs(page).max()) for page in pages) / 254
    assert off.max() <= len(query) * np.sqrt(128) * half_steps
    assert off.max() / len(query) < 2e-3, "the mean cosine of a query's token"


def test_a_token_takes_a_byte_a_component_and_four_for_its_scale() -> None:
    num, code = INT8.coded(units(1030))
    assert (num, len(code)) == (1030, 1030 * (128 + 4))


@pytest.mark.parametrize("form", [INT8, TokenForm()])
def test_tokens_of_zeros_and_no_tokens_at_all_come_back_as_they_were(form: TokenForm) -> None:
    for num in (0, 3):
        found = form.read(*form.coded(np.zeros((num, 8), np.float32)))
        assert len(found) == num
        assert not found.any()


def test_pooling_by_two_keeps_half_of_the_tokens_and_joins_those_that_are_alike() -> None:
    groups = units(10)
    near = [groups + 0.01 * units(10, seed=seed) for seed in (1, 2)]
    found = pooled(np.concatenate(near), 2)
    assert found.shape == groups.shape
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert (found @ groups.T).max(axis=0).min() > 0.99


@pytest.mark.parametrize("num", [0, 1, 2])
def test_few_tokens_are_pooled_to_no_fewer_than_one(num: int) -> None:
    assert len(pooled(units(num), 4)) == min(num, 1)


def test_late_interaction_is_kept_in_eight_bits_and_any_other_as_it_is(colbert: str) -> None:
    late = load_reranker(colbert, "cpu")
    assert isinstance(late, TokenReranker)
    assert form_of(late, 2).name == "int8-pool2"

    class Network:
        label, fingerprint, side_px, batch = "network", "network-1", 0, 8
        pairs = frozenset({("text", "text")})

        def tokens(self, candidates: list[Side]) -> list[np.ndarray]:
            return [np.ones((1, 4), np.float16) for _ in candidates]

        def scores_of_tokens(self, query: Side, tokens: list[np.ndarray]) -> Floats:
            return np.array([one.sum() for one in tokens], np.float32)

        def scores(self, query: Side, candidates: list[Side]) -> Floats:
            return self.scores_of_tokens(query, self.tokens(candidates))

    network = Network()
    assert isinstance(network, TokenReranker)
    assert form_of(network, 1).name == "float16"
    with pytest.raises(ModelUnsupported, match="network is no late interaction"):
        form_of(network, 2)
