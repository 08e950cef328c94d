"""Which kinds of images does the detector see? Clusters of its features, and of its margin maps, within each verdict.

k-means on the principal components of the pooled features, and of the maps scaled to length 1 (the idea of SpRAy:
Lapuschkin et al. 2019). Each verdict is clustered alone, since clustering both would only find the two verdicts. The
number of clusters is the one whose mean silhouette (Rousseeuw 1987) exceeds the control's by most. The control is
draws from one Gaussian with the same spread in each component (the null of SigClust: Liu et al. 2008); permuting each
component would not do, because two clusters along one component survive it. The 2-D embedding is t-SNE of a subsample
of all images, in which every other image lies at the weighted mean of its nearest neighbours, so that the cost of t-SNE
does not grow with the run.
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
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from core.studies.clusters.findings import HEADLINES, conclude
from core.studies.clusters.summary import SPACES
from core.studies.groups import VERDICTS
from core.studies.study import Context, Study, StudyError

NEAREST = 10
# a verdict with fewer images stays whole
LEAST = 24
# a smaller cluster holds what fits nowhere: it does not count as a kind
SMALLEST = 5

COLUMNS = {
    f"{space}_{key}": text
    for space, name in SPACES.items()
    for key, text in {
        "cluster": f"cluster by {name}, each of one verdict, 0 is the largest",
        "distance": f"distance from its centre in principal components of {name}",
        "x": f"place on the picture of {name}: near is alike, far apart says nothing",
        "y": "the same, across",
        "silhouette": "how much nearer its own cluster is than the next, -1 to 1; nothing beyond the subsample",
        "control": "the same in a cloud without clusters that is spread as widely, mean over clouds",
    }.items()
}


class Clustering(NamedTuple):
    """N points in K clusters.

    Attributes:
        labels: int (N,), 0 is the largest cluster.
        distances: float (N,), from the cluster's centre.
        silhouettes, control: float (N,), see `COLUMNS`; NaN beyond the subsample, and where there is one cluster.
    """

    labels: NDArray[np.int64]
    distances: NDArray[np.float64]
    silhouettes: NDArray[np.float64]
    control: NDArray[np.float64]


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """Clusters and places of every image in both spaces."""
    if len(rows) < LEAST:
        raise StudyError(f"clusters of {len(rows)} images say nothing; ask for at least {LEAST}")
    verdicts = context.run.predictions["predicted"].astype(str).to_numpy()[rows]
    parts = [pd.DataFrame({"id": context.run.predictions["id"].to_numpy()[rows]})]
    # small products: a second BLAS thread would only wait, and sums in another order make other clusters
    with threadpool_limits(1):
        for number, (space, points) in enumerate(spaces(context, rows).items()):
            context.say(number / len(SPACES), f"clusters by {SPACES[space]}")
            parts.append(cluster_space(points, verdicts, parameters).add_prefix(f"{space}_"))
    return pd.concat(parts, axis=1)[["id", *COLUMNS]]


def spaces(context: Context, rows: NDArray[np.intp]) -> dict[str, NDArray[np.float64]]:
    """Return what is clustered: float64 (N, channels) pooled features, and (N, positions) margin maps of length 1."""
    stored = context.run.features
    features = context.detector.full_pass(np.asarray(context.pixels[rows])).features if stored is None else stored[rows]
    if features is None:
        raise StudyError(
            f"{context.detector.name} has no layer whose features could be clustered; ask another detector"
        )
    maps = np.asarray(context.run.needed_maps[rows], np.float64).reshape(len(rows), -1)
    # a map's length is how sure the detector is; scaled to 1, it only says where the detector looks
    lengths = np.linalg.norm(maps, axis=1, keepdims=True)
    return {
        "features": np.asarray(features, np.float64),
        "maps": np.divide(maps, lengths, out=np.zeros_like(maps), where=lengths > 0),
    }


def cluster_space(
    points: NDArray[np.float64], verdicts: NDArray[np.str_], parameters: Mapping[str, Any]
) -> pd.DataFrame:
    """The columns of one space.

    Args:
        points: float64 (N, D).
        verdicts: (N,), "FAKE" or "REAL".
        parameters: of the study.
    """
    found = np.full((4, len(points)), np.nan)
    taken = 0
    for verdict in VERDICTS:
        mine = np.flatnonzero(verdicts == verdict)
        if len(mine):
            one = cluster_verdict(points[mine], parameters)
            found[:, mine] = one.labels + taken, one.distances, one.silhouettes, one.control
            taken += one.labels.max() + 1
    places = lay_out(points, parameters)
    return pd.DataFrame(
        {
            "cluster": by_size(found[0].astype(np.int64)).astype(np.int8),
            "distance": found[1].astype(np.float32),
            "x": places[:, 0].astype(np.float32),
            "y": places[:, 1].astype(np.float32),
            "silhouette": found[2].astype(np.float16),
            "control": found[3].astype(np.float16),
        }
    )


def cluster_verdict(points: NDArray[np.float64], parameters: Mapping[str, Any]) -> Clustering:
    """Clusters of the images of one verdict, as many as lead most over the control.

    Args:
        points: float64 (N, D).
        parameters: of the study.
    """
    seed, size = parameters["seed"], len(points)
    reduced = _components(points, parameters)
    unknown = np.full(size, np.nan)
    distinct = _distinct(points)
    if size < LEAST or distinct == 1:
        return Clustering(np.zeros(size, np.int64), np.linalg.norm(reduced - reduced.mean(0), axis=1), unknown, unknown)
    some = _some(size, parameters["subsample"], seed)
    parameters = {**parameters, "most": min(parameters["most"], distinct)}
    own = silhouettes_by_number(reduced[some], parameters)
    control = _control(reduced[some], parameters)
    number = max(
        sorted(own.keys() & control.keys()), key=lambda count: float(own[count].mean() - control[count].mean())
    )
    fitted = _k_means(reduced, number, seed)
    labels = by_size(fitted.labels_)
    distances = np.linalg.norm(reduced - fitted.cluster_centers_[fitted.labels_], axis=1)
    silhouettes = np.stack([unknown, unknown])
    silhouettes[0, some] = _silhouettes(reduced[some], labels[some])
    silhouettes[1, some] = control[number]
    return Clustering(labels, distances, *silhouettes)


def silhouettes_by_number(points: NDArray[np.float64], parameters: Mapping[str, Any]) -> dict[int, NDArray[np.float64]]:
    """Compute the silhouettes for each number of clusters: number -> float (N,).

    Tries 2 to `most` clusters, and stops before the first number above 2 that gives a cluster of fewer than `SMALLEST`
    points.
    """
    found: dict[int, NDArray[np.float64]] = {}
    for number in range(2, parameters["most"] + 1):
        labels = _k_means(points, number, parameters["seed"]).labels_
        if found and np.bincount(labels).min() < SMALLEST:
            break
        found[number] = _silhouettes(points, labels)
    return found


def _control(points: NDArray[np.float64], parameters: Mapping[str, Any]) -> dict[int, NDArray[np.float64]]:
    """As `silhouettes_by_number`, in clouds without clusters: its mean over them, for the numbers that all allow."""
    if parameters["clouds"] < 1:
        raise ValueError(f"clouds must be at least 1, not {parameters['clouds']}")
    generator = np.random.default_rng(parameters["seed"])
    clouds = [
        silhouettes_by_number(generator.normal(size=points.shape) * points.std(axis=0), parameters)
        for _ in range(parameters["clouds"])
    ]
    return {number: np.mean([one[number] for one in clouds], axis=0) for number in set.intersection(*map(set, clouds))}


def by_size(labels: NDArray[np.integer]) -> NDArray[np.int64]:
    """The same clusters numbered from the largest down."""
    order = np.argsort(-np.bincount(labels), kind="stable")
    return np.asarray(np.argsort(order)[labels], np.int64)


def lay_out(points: NDArray[np.float64], parameters: Mapping[str, Any]) -> NDArray[np.float64]:
    """float64 (N, 2): t-SNE of a subsample, and every other point at the mean of its nearest there."""
    if _distinct(points) == 1:
        return np.zeros((len(points), 2))
    reduced = _components(points, parameters)
    if reduced.shape[1] == 1:
        # the embedding has two dimensions, and begins with as many components
        reduced = np.pad(reduced, ((0, 0), (0, 1)))
    some = _some(len(points), parameters["subsample"], parameters["seed"])
    perplexity = min(30.0, (len(some) - 1) / 4)
    drawn = TSNE(2, perplexity=perplexity, init="pca", random_state=parameters["seed"]).fit_transform(reduced[some])
    nearest = NearestNeighbors(n_neighbors=min(NEAREST, len(some))).fit(reduced[some])
    distances, found = nearest.kneighbors(reduced)
    weights = 1 / np.maximum(distances, 1e-9)
    places = (drawn[found] * weights[..., None]).sum(axis=1) / weights.sum(axis=1, keepdims=True)
    places[some] = drawn
    return np.asarray(places, np.float64)


def _components(points: NDArray[np.float64], parameters: Mapping[str, Any]) -> NDArray[np.float64]:
    if _distinct(points) == 1:
        return np.zeros((len(points), 1))
    count = min(parameters["components"], *points.shape)
    return np.asarray(PCA(count, svd_solver="full").fit_transform(points))


def _distinct(points: NDArray[np.float64]) -> int:
    """Count the distinct rows."""
    return len(np.unique(points, axis=0))


def _some(size: int, most: int, seed: int) -> NDArray[np.intp]:
    return np.sort(np.random.default_rng(seed).permutation(size)[:most])


def _k_means(points: NDArray[np.float64], number: int, seed: int) -> KMeans:
    return KMeans(number, n_init=4, random_state=seed).fit(points)


def _silhouettes(points: NDArray[np.float64], labels: NDArray[np.integer]) -> NDArray[np.float64]:
    if not 1 < len(np.unique(labels)) < len(points):
        return np.zeros(len(points))
    return np.asarray(silhouette_samples(points, labels))


STUDY = Study(
    name="clusters",
    title="Clusters",
    question="Which kinds of images does the detector see within each verdict, and where does it err?",
    columns=COLUMNS,
    needs=("maps",),
    control="The same clustering of a normal cloud, which has no clusters, with the same spread.",
    compute=compute,
    conclude=conclude,
    headlines=HEADLINES,
    parameters={"components": 20, "subsample": 3000, "most": 12, "clouds": 3, "seed": 0},
    explore=("features_cluster", "maps_cluster"),
    whole=True,
)
