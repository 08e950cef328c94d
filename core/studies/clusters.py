"""Which kinds of images does the detector see? Clusters of its features, and of its margin maps.

k-means on the principal components of the pooled features, and of the maps' shapes (the idea of SpRAy: Lapuschkin et
al. 2019). The number of clusters is the one with the largest mean silhouette (Rousseeuw 1987) on a subsample. The two
dimensions for the eye are t-SNE of that subsample; every other image stands among its nearest neighbours there, so that
the cost beyond k-means does not grow with the run.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_samples
from sklearn.neighbors import NearestNeighbors

from core.run import Run
from core.studies.cluster_summary import SPACES, read_cards
from core.studies.study import Context, Finding, Study, StudyError

NEAREST = 10
LEAST = 12

COLUMNS = {
    f"{space}_{key}": text
    for space, name in SPACES.items()
    for key, text in {
        "cluster": f"cluster of {name}, 0 is the largest",
        "distance": f"distance from its centre in principal components of {name}",
        "x": f"place on the picture of {name}: near is alike, far apart says nothing",
        "y": "the same, across",
        "silhouette": "how much nearer its own cluster is than the next, -1 to 1; nothing beyond the subsample",
        "shuffled": "the control: the same of numbers shuffled among images",
    }.items()
}


class Clustering(NamedTuple):
    """N points in K clusters.

    Attributes:
        labels: int (N,), 0 is the largest cluster.
        distances: float (N,), from the cluster's centre.
    """

    labels: NDArray[np.int64]
    distances: NDArray[np.float64]


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """Clusters and places of every image in both spaces."""
    if len(rows) < LEAST:
        raise StudyError(f"clusters of {len(rows)} images say nothing; ask for at least {LEAST}")
    parts = [pd.DataFrame({"id": context.run.predictions["id"].to_numpy()[rows]})]
    for number, (space, points) in enumerate(spaces(context, rows).items()):
        context.say(number / len(SPACES), f"clusters of {SPACES[space]}")
        parts.append(cluster_space(points, parameters).add_prefix(f"{space}_"))
    return pd.concat(parts, axis=1)[["id", *COLUMNS]]


def spaces(context: Context, rows: NDArray[np.intp]) -> dict[str, NDArray[np.float32]]:
    """What is clustered: float32 (N, channels) pooled features, and (N, 16) margin maps of length 1."""
    stored = context.run.features
    features = context.detector.full_pass(np.asarray(context.pixels[rows])).features if stored is None else stored[rows]
    maps = np.asarray(context.run.maps[rows], np.float32).reshape(len(rows), -1)
    # the length is how sure the detector is; what is asked for is where it looks
    lengths = np.linalg.norm(maps, axis=1, keepdims=True)
    return {
        "features": np.asarray(features, np.float32),
        "maps": np.divide(maps, lengths, out=np.zeros_like(maps), where=lengths > 0),
    }


def cluster_space(points: NDArray[np.float32], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """The columns of one space.

    Args:
        points: float32 (N, D).
        parameters: of the study.
    """
    seed = parameters["seed"]
    count = min(parameters["components"], *points.shape)
    reduced = np.asarray(PCA(count, random_state=seed).fit_transform(points.astype(np.float64)))
    generator = np.random.default_rng(seed)
    some = np.sort(generator.permutation(len(points))[: parameters["subsample"]])
    number = best_number(reduced[some], largest=parameters["most"], seed=seed)
    found = cluster(reduced, number, seed=seed)
    shuffled = np.column_stack([generator.permutation(column) for column in reduced[some].T])
    silhouettes = np.full((2, len(points)), np.nan)
    silhouettes[0, some] = _silhouettes(reduced[some], found.labels[some])
    silhouettes[1, some] = _silhouettes(shuffled, cluster(shuffled, number, seed=seed).labels)
    places = lay_out(reduced, some, seed=seed)
    return pd.DataFrame(
        {
            "cluster": found.labels.astype(np.int8),
            "distance": found.distances.astype(np.float32),
            "x": places[:, 0].astype(np.float32),
            "y": places[:, 1].astype(np.float32),
            "silhouette": silhouettes[0].astype(np.float16),
            "shuffled": silhouettes[1].astype(np.float16),
        }
    )


def best_number(points: NDArray[np.float64], *, largest: int, seed: int) -> int:
    """The number of clusters, 2 to `largest`, with the largest mean silhouette."""
    numbers = range(2, max(3, min(largest, len(points) // 5) + 1))
    means = [_silhouettes(points, cluster(points, number, seed=seed).labels).mean() for number in numbers]
    return numbers[int(np.argmax(means))]


def cluster(points: NDArray[np.float64], number: int, *, seed: int) -> Clustering:
    """k-means, the best of four starts; clusters are numbered from the largest down."""
    fitted = KMeans(number, n_init=4, random_state=seed).fit(points)
    order = np.argsort(-np.bincount(fitted.labels_, minlength=number), kind="stable")
    distances = np.linalg.norm(points - fitted.cluster_centers_[fitted.labels_], axis=1)
    return Clustering(np.argsort(order)[fitted.labels_], distances)


def lay_out(points: NDArray[np.float64], some: NDArray[np.intp], *, seed: int) -> NDArray[np.float64]:
    """float64 (N, 2): t-SNE of the points at `some`, and every other at the mean of its nearest among them."""
    perplexity = min(30.0, (len(some) - 1) / 4)
    drawn = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(points[some])
    nearest = NearestNeighbors(n_neighbors=min(NEAREST, len(some))).fit(points[some])
    distances, found = nearest.kneighbors(points)
    weights = 1 / np.maximum(distances, 1e-9)
    places = (drawn[found] * weights[..., None]).sum(axis=1) / weights.sum(axis=1, keepdims=True)
    places[some] = drawn
    return np.asarray(places, np.float64)


def _silhouettes(points: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    if len(np.unique(labels)) < 2:
        return np.zeros(len(points))
    return np.asarray(silhouette_samples(points, labels))


def conclude(run: Run, table: pd.DataFrame, _parameters: Mapping[str, Any]) -> list[Finding]:
    """For each space: how many clusters and how clear they are, and the one with the highest error rate."""
    findings = []
    for space, name in SPACES.items():
        cards = read_cards(table, run, space)
        own, chance = (float(np.nanmean(table[f"{space}_{key}"].astype(float))) for key in ("silhouette", "shuffled"))
        findings.append(
            Finding(
                f"number-{space}",
                f"{name.capitalize()} fall into {len(cards)} clusters, the number with the largest mean silhouette: "
                f"{own:.2f}, against {chance:.2f} for numbers shuffled among images ({len(table):,} images).",
                own,
                images=len(table),
            )
        )
        worst = max(cards, key=lambda card: card.error_rate.low)
        wrong = sum(card.errors for card in cards)
        findings.append(
            Finding(
                f"worst-{space}",
                f"Of these, cluster {worst.number} ({worst.images:,} images) has the most errors: "
                f"{worst.error_rate.value:.1%} ({worst.error_rate.low:.1%} to {worst.error_rate.high:.1%}) against "
                f"{wrong / len(table):.1%} of all images.",
                *worst.error_rate,
            )
        )
    return findings


STUDY = Study(
    name="clusters",
    title="Clusters",
    question="Which kinds of images does the detector see, and where does it err?",
    columns=COLUMNS,
    better="neither",
    control="The same clustering of numbers shuffled among images.",
    compute=compute,
    conclude=conclude,
    parameters={"components": 20, "subsample": 4000, "most": 12, "seed": 0},
    explore=("features_cluster", "maps_cluster"),
    whole=True,
)
