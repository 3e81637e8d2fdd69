"""Lay vectors out on paper so that what is alike lies together, and find clusters among them.

A sample, the anchors, is laid out by t-SNE (van der Maaten and Hinton, JMLR 2008; scikit-learn);
every other vector is put between the anchors nearest to it. So time grows with the sample squared
only, and a vector that comes later moves nothing. UMAP would need numba and llvmlite, 150 MB, for
the same picture.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from crossmodal.creation.extra import needed

Floats = npt.NDArray[np.float32]

NUM_ANCHORS = 3000
_NUM_COMPONENTS = 50
_NUM_NEAREST = 5
_BLOCK_ROWS = 4096
_SEED = 7
_FEWEST = 5


class Layout(NamedTuple):
    """Hold the anchors of a map."""

    places: Floats
    """(n, 2)."""
    clusters: npt.NDArray[np.int32]
    """(n,)."""


def laid_out(vectors: Floats, num_clusters: int) -> Layout:
    """Return where (n, dim) unit vectors lie on paper, and in which cluster each is.

    Raises:
        ExtraMissing: scikit-learn is not installed.
    """
    num = len(vectors)
    if num < _FEWEST:
        return Layout(_circle(num), np.zeros(num, np.int32))
    with needed("create"):
        from sklearn.cluster import KMeans
        from sklearn.decomposition import PCA
        from sklearn.manifold import TSNE
    width = min(_NUM_COMPONENTS, num - 1, vectors.shape[1])
    reduced = PCA(width, random_state=_SEED).fit_transform(vectors)
    perplexity = min(30.0, (num - 1) / 3)
    tsne = TSNE(perplexity=perplexity, init="pca", random_state=_SEED, n_jobs=None)
    places = tsne.fit_transform(reduced)
    means = KMeans(min(num_clusters, num), n_init=4, random_state=_SEED)
    clusters = means.fit_predict(reduced)
    return Layout(np.asarray(places, np.float32), np.asarray(clusters, np.int32))


def placed(vectors: Floats, anchors: Floats, layout: Layout) -> Layout:
    """Return where (n, dim) unit vectors lie between (m, dim) anchors that are laid out.

    Each takes the place between its five nearest anchors, the nearer the more, and the cluster of
    the nearest.
    """
    blocks = [
        _placed(vectors[start : start + _BLOCK_ROWS], anchors, layout)
        for start in range(0, len(vectors), _BLOCK_ROWS)
    ]
    if not blocks:
        return Layout(np.zeros((0, 2), np.float32), np.zeros(0, np.int32))
    return Layout(*(np.concatenate(parts) for parts in zip(*blocks, strict=True)))


def _placed(vectors: Floats, anchors: Floats, layout: Layout) -> Layout:
    cosines = vectors @ anchors.T
    num = min(_NUM_NEAREST, len(anchors))
    nearest = np.argpartition(-cosines, num - 1, axis=1)[:, :num]
    near = np.take_along_axis(cosines, nearest, axis=1)
    weights = 1 / np.maximum(1 - near, 1e-4) ** 2
    weights /= weights.sum(axis=1, keepdims=True)
    places = (layout.places[nearest] * weights[:, :, None]).sum(axis=1)
    best = np.take_along_axis(nearest, near.argmax(axis=1)[:, None], axis=1)[:, 0]
    return Layout(places.astype(np.float32), layout.clusters[best])


def _circle(num: int) -> Floats:
    """Return (n, 2) places for what is too little to lay out."""
    angles = np.arange(num) * 2 * np.pi / max(num, 1)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def names_of(centres: Floats, words: Floats, vocabulary: list[str], num: int = 2) -> list[str]:
    """Return for each of (k, dim) cluster centres the words that set it apart from the others.

    ``words`` are the (w, dim) vectors of the vocabulary, both centred. A word names one cluster
    only, the one that it sets apart most, so that no two clusters are called the same.
    """
    cosines = centres @ words.T
    apart = cosines - 0.5 * cosines.mean(axis=0, keepdims=True)
    named: list[list[str]] = [[] for _ in centres]
    used: set[int] = set()
    for place in np.argsort(-apart, axis=None, kind="stable").tolist():
        cluster, word = divmod(place, len(vocabulary))
        if len(named[cluster]) < num and word not in used:
            used.add(word)
            named[cluster].append(vocabulary[word])
    return [", ".join(each) for each in named]
