"""Which kinds of images does the detector see? Clusters of its features, and of its margin maps, within each verdict.

k-means on the principal components of the pooled features, and of the maps scaled to length 1 (the idea of SpRAy:
Lapuschkin et al. 2019). Each verdict is clustered alone, since clustering both would only find the two verdicts. The
number of clusters is the one whose mean silhouette (Rousseeuw 1987) exceeds the control's by most. The control is
draws from one Gaussian with the same spread in each component (the null of SigClust: Liu et al. 2008); permuting each
component would not do, because two clusters along one component survive it. The 2-D embedding is t-SNE of a subsample
of all images, in which every other image lies at the weighted mean of its nearest neighbours, so that the cost of t-SNE
does not grow with the run.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_samples
from sklearn.neighbors import KNeighborsRegressor
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from core.arrays import Array, Float64, Integers, Positions
from core.findings.contrast import UNKNOWN, Contrast, Control, Finding, Measure
from core.findings.paired import compare_apart
from core.runs.run import Run
from core.studies.shared.differences import SPACES, read_cards
from core.studies.shared.groups import VERDICTS, with_predictions
from core.studies.study import Context, Parameters, Study, StudyError

NEAREST = 10
# a verdict with fewer images stays whole
FEWEST_IMAGES = 24
# a smaller cluster holds what fits nowhere: it does not count as a kind
SMALLEST = 5


def _columns() -> dict[str, str]:
    columns: dict[str, str] = {}
    for space, name in SPACES.items():
        columns |= {
            f"{space}_cluster": f"cluster by {name}, each of one verdict, 0 is the largest",
            f"{space}_distance": f"distance from its centre in principal components of {name}",
            f"{space}_x": f"place on the picture of {name}: near is alike, far apart says nothing",
            f"{space}_y": f"the other coordinate of that place by {name}",
            f"{space}_silhouette": "how much nearer its own cluster is than the next, -1 to 1; nothing beyond the "
            "subsample",
            f"{space}_control_silhouette": "the same in a cloud without clusters, spread as widely, mean over clouds, "
            "-1 to 1",
        }
    return columns


COLUMNS = _columns()
# errors are few: two points double the error rate of a good detector
LEAST_ERRORS = 0.02
CLOUD = "a cloud without clusters that is spread as widely"


def compute(context: Context, rows: Positions, parameters: Parameters) -> pd.DataFrame:
    """Clusters and places of every image in both spaces."""
    if len(rows) < FEWEST_IMAGES:
        raise StudyError(f"clusters of {len(rows)} images say nothing; ask for at least {FEWEST_IMAGES}")
    predictions = context.run.predictions.iloc[rows]
    verdicts = predictions["predicted"].to_numpy(str)
    parts = [predictions[["id"]].reset_index(drop=True)]
    # small products: a second BLAS thread would only wait, and sums in another order make other clusters
    with threadpool_limits(1):
        for number, (space, points) in enumerate(spaces(context, rows).items()):
            context.report(number / len(SPACES), f"clusters by {SPACES[space]}")
            parts.append(cluster_space(points, verdicts, parameters).add_prefix(f"{space}_"))
    return pd.concat(parts, axis=1)[["id", *COLUMNS]]


def spaces(context: Context, rows: Positions) -> dict[str, Float64]:
    """Return what is clustered: float64 (N, channels) pooled features, and (N, positions) margin maps of length 1."""
    if context.run.features is None:
        features = context.detector.full_pass(np.asarray(context.pixels[rows])).features
    else:
        features = context.run.features[rows]
    if features is None:
        raise StudyError(f"{context.detector.name} has no features to cluster; ask another detector")
    maps = np.asarray(context.run.needed_maps[rows], np.float64).reshape(len(rows), -1)
    # a map's length is how sure the detector is; scaled to 1, it only says where the detector looks
    lengths = np.linalg.norm(maps, axis=1, keepdims=True)
    return {"features": np.asarray(features, np.float64), "maps": maps / np.where(lengths > 0, lengths, 1)}


def cluster_space(points: Float64, verdicts: Array, parameters: Parameters) -> pd.DataFrame:
    """The columns of one space.

    Args:
        points: float64 (N, D).
        verdicts: (N,), "FAKE" or "REAL".
        parameters: of the study.
    """
    parts = []
    for number, verdict in enumerate(VERDICTS):
        mine = np.flatnonzero(verdicts == verdict)
        if len(mine):
            part = cluster_verdict(points[mine], parameters).set_index(mine)
            parts.append(part.assign(cluster=part["cluster"] + number * parameters["most"]))
    table = pd.concat(parts).sort_index()
    # numbered from the largest down
    labels = table["cluster"].to_numpy()
    table["cluster"] = np.argsort(np.argsort(-np.bincount(labels), kind="stable"))[labels].astype(np.int8)
    table[["x", "y"]] = lay_out(points, parameters)
    return table.astype({"distance": np.float32, "x": np.float32, "y": np.float32, "silhouette": np.float16,
                         "control_silhouette": np.float16})  # fmt: skip


def cluster_verdict(points: Float64, parameters: Parameters) -> pd.DataFrame:
    """Find clusters of the images of one verdict, as many as lead most over the control.

    Args:
        points: float64 (N, D).
        parameters: of the study.

    Returns:
        N rows: `cluster`, from 0; `distance` from its centre; `silhouette` and `control_silhouette`, see `COLUMNS`, NaN
        beyond the subsample and where there is one cluster.
    """
    seed = parameters["seed"]
    reduced = _components(points, parameters)
    distinct = len(np.unique(points, axis=0))
    if len(points) < FEWEST_IMAGES or distinct == 1:
        away = np.linalg.norm(reduced - reduced.mean(0), axis=1)
        return pd.DataFrame({"cluster": 0, "distance": away, "silhouette": np.nan, "control_silhouette": np.nan})
    some = _subsample(len(points), parameters)
    most = min(parameters["most"], distinct)
    own = silhouettes_by_number(reduced[some], most, seed)
    generator = np.random.default_rng(seed)
    clouds = []
    for _ in range(parameters["clouds"]):
        cloud = generator.normal(size=reduced[some].shape) * reduced[some].std(axis=0)
        clouds.append(silhouettes_by_number(cloud, most, seed))
    # the numbers of clusters that all clouds allow
    shared = sorted(set(own).intersection(*clouds))
    control = {number: np.mean([cloud[number] for cloud in clouds], axis=0) for number in shared}
    number = max(shared, key=lambda count: float(own[count].mean() - control[count].mean()))
    fitted = _k_means(reduced, number, seed)
    table = pd.DataFrame({"cluster": fitted.labels_, "distance": fitted.transform(reduced).min(axis=1)})
    table.loc[some, "silhouette"] = _silhouettes(reduced[some], fitted.labels_[some])
    table.loc[some, "control_silhouette"] = control[number]
    return table


def silhouettes_by_number(points: Float64, most: int, seed: int) -> dict[int, Float64]:
    """Compute the silhouettes for each number of clusters: number -> float (N,).

    Tries 2 to `most` clusters, and stops before the first number above 2 that gives a cluster of fewer than `SMALLEST`
    points.
    """
    silhouettes: dict[int, Float64] = {}
    for number in range(2, most + 1):
        labels = _k_means(points, number, seed).labels_
        if silhouettes and np.bincount(labels).min() < SMALLEST:
            break
        silhouettes[number] = _silhouettes(points, labels)
    return silhouettes


def lay_out(points: Float64, parameters: Parameters) -> Float64:
    """float64 (N, 2): t-SNE of a subsample, and every other point at the mean of its nearest there."""
    if (points == points[0]).all():
        return np.zeros((len(points), 2))
    reduced = _components(points, parameters)
    some = _subsample(len(points), parameters)
    if reduced.shape[1] == 1:
        # the embedding has two dimensions, and begins with as many components
        reduced = np.pad(reduced, ((0, 0), (0, 1)))
    perplexity = min(30.0, (len(some) - 1) / 4)
    drawn = TSNE(2, perplexity=perplexity, init="pca", random_state=parameters["seed"]).fit_transform(reduced[some])
    nearest = KNeighborsRegressor(min(NEAREST, len(some)), weights="distance").fit(reduced[some], drawn)
    places = np.asarray(nearest.predict(reduced), np.float64)
    places[some] = drawn
    return places


def _components(points: Float64, parameters: Parameters) -> Float64:
    if (points == points[0]).all():
        return np.zeros((len(points), 1))
    count = min(parameters["components"], *points.shape)
    return PCA(count, svd_solver="full").fit_transform(points)


def _subsample(size: int, parameters: Parameters) -> Positions:
    return np.sort(np.random.default_rng(parameters["seed"]).permutation(size)[: parameters["subsample"]])


def _k_means(points: Float64, number: int, seed: int) -> KMeans:
    return KMeans(number, n_init=4, random_state=seed).fit(points)


def _silhouettes(points: Float64, labels: Integers) -> Float64:
    if not 1 < len(np.unique(labels)) < len(points):
        return np.zeros(len(points))
    return silhouette_samples(points, labels)


def conclude(run: Run, table: pd.DataFrame, _parameters: Parameters) -> Iterator[Finding]:
    """For each space and verdict: `worst-<space>-<verdict>` and `number-<space>-<verdict>`.

    `worst` is the error rate of the cluster that errs most, beside that of all images of its verdict; unknown where no
    cluster certainly errs more. `number` is how well the clusters are separated.
    """
    predicted = with_predictions(table, run)["predicted"]
    for space, name in SPACES.items():
        for verdict, cards in read_cards(table, run, space).groupby("verdict"):
            if len(cards) < 2:
                continue
            yield _worst(space, str(verdict), cards)
            mine = table[predicted == verdict]
            silhouette = _mean(mine[f"{space}_silhouette"])
            control = Control(CLOUD, _mean(mine[f"{space}_control_silhouette"]))
            contrast = compare_apart("control", CLOUD, silhouette, control)
            yield Finding(
                f"number-{space}-{verdict}",
                "Do verdicts fall into separate groups?",
                "silhouette",
                (contrast,),
                group=str(verdict),
                subject=f"by {name}",
                details={"space": name, "clusters": len(cards)},
            )


def _mean(values: "pd.Series[Any]") -> Measure:
    """Measure the mean of the images that have a value."""
    return Measure(float(values.mean()), n=int(values.count()))


def _worst(space: str, verdict: str, cards: pd.DataFrame) -> Finding:
    """Compare the cluster that errs most with all images of its verdict."""
    images = int(cards["images"].sum())
    name = f"all {verdict} verdicts"
    details: dict[str, Any] = {"space": SPACES[space]}
    contrast = Contrast("control", name, replace(UNKNOWN, n=images), difference=UNKNOWN)
    worse = cards[cards["strict_low"] > cards["verdict_error_rate"]]
    if len(worse):
        worst = worse.loc[worse["low"].idxmax()]
        measure = Measure(worst["error_rate"], worst["strict_low"], worst["strict_high"], int(worst["images"]))
        rate = float(worst["verdict_error_rate"])
        # of all images of the verdict, so exact
        contrast = compare_apart("control", name, measure, Control(name, Measure(rate, rate, rate, images)))
        details["cluster"] = int(worst["number"])
    return Finding(
        f"worst-{space}-{verdict}",
        "Is there a group of verdicts that errs unusually often?",
        "error_rate",
        (contrast,),
        least=LEAST_ERRORS,
        group=verdict,
        subject=f"by {SPACES[space]}",
        details=details,
    )


STUDY = Study(
    name="clusters",
    title="Clusters",
    question="Which kinds of images does the detector see within each verdict, and where does it err?",
    columns=COLUMNS,
    needs="maps",
    control="The same clustering of a normal cloud, which has no clusters, with the same spread.",
    compute=compute,
    conclude=conclude,
    parameters={"components": 20, "subsample": 3000, "most": 12, "clouds": 3, "seed": 0},
    explore=("features_cluster", "maps_cluster"),
    whole=True,
)
