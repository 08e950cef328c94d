"""Clusters: planted ones are found, as many as there are, and every number is scikit-learn's."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness
from sklearn.metrics import adjusted_rand_score, silhouette_samples

from core.findings.claims import ClaimStatus, claim_status
from core.findings.finding import to_json
from core.runs.run import Run, read_run
from core.studies.clusters.findings import conclude
from core.studies.clusters.study import (
    COLUMNS,
    STUDY,
    by_size,
    cluster_space,
    cluster_verdict,
    compute,
    spaces,
)
from core.studies.runner import run_study
from core.studies.source import Source
from core.studies.store import read_study
from core.studies.study import Context, StudyError
from tests.core.trust_cues import made_run

PARAMETERS: dict[str, Any] = {**STUDY.parameters, "most": 6, "clouds": 2}


def planted(kinds: int, size: int = 120, *, apart: float = 8, seed: int = 0) -> tuple[NDArray[np.float64], Any]:
    """(size, 16) points around so many centres, unit noise, and which centre each has; smaller kinds come later."""
    generator = np.random.default_rng(seed)
    # half of what is left to each, so that every kind has a size of its own
    kind = np.minimum(np.floor(np.arange(size) * (1.2 + 0.8 * np.arange(size) / size) * kinds / (2 * size)), kinds - 1)
    kind = generator.permutation(kind.astype(int))
    centres = generator.normal(size=(kinds, 16))
    centres *= apart / np.linalg.norm(centres, axis=1, keepdims=True)
    return centres[kind] + generator.normal(size=(size, 16)), kind


@pytest.mark.parametrize("kinds", [2, 3, 5])
def test_planted_clusters_are_found_as_many_as_there_are(kinds: int) -> None:
    points, kind = planted(kinds)
    found = cluster_verdict(points, PARAMETERS)
    assert found.labels.max() + 1 == kinds
    assert adjusted_rand_score(kind, found.labels) > 0.95
    # and they stand out from a cloud that has none
    assert found.silhouettes.mean() > found.control.mean() + 0.1


def test_in_one_cloud_no_number_leads_by_much() -> None:
    found = cluster_verdict(np.random.default_rng(1).normal(size=(200, 16)), PARAMETERS)
    assert abs(found.silhouettes.mean() - found.control.mean()) < 0.03


def test_the_number_is_the_one_that_leads_most_over_the_control() -> None:
    """The criterion a second time, with scikit-learn alone."""
    points, _ = planted(4, apart=4)
    found = cluster_verdict(points, PARAMETERS)
    reduced = PCA(16, svd_solver="full").fit_transform(points)
    generator = np.random.default_rng(0)
    clouds = [generator.normal(size=reduced.shape) * reduced.std(axis=0) for _ in range(2)]
    lead = {}
    for number in range(2, 7):
        own, *control = (
            silhouette_samples(what, KMeans(number, n_init=4, random_state=0).fit_predict(what)).mean()
            for what in (reduced, *clouds)
        )
        lead[number] = own - np.mean(control)
    assert found.labels.max() + 1 == max(lead, key=lambda number: lead[number])


def test_numbers_are_scikit_learns_and_clusters_come_by_size() -> None:
    points, _ = planted(3)
    found = cluster_verdict(points, PARAMETERS)
    sizes = np.bincount(found.labels)
    assert (np.diff(sizes) <= 0).all()
    reduced = PCA(16, svd_solver="full").fit_transform(points)
    np.testing.assert_allclose(found.silhouettes, silhouette_samples(reduced, found.labels), atol=1e-6)
    for number in range(3):
        mine = reduced[found.labels == number]
        np.testing.assert_allclose(
            found.distances[found.labels == number], np.linalg.norm(mine - mine.mean(axis=0), axis=1), rtol=1e-4
        )


def test_beyond_the_subsample_every_image_has_a_cluster_and_a_place_but_no_silhouette() -> None:
    points, kind = planted(3, 200)
    verdicts = np.repeat(["FAKE"], 200)
    found = cluster_space(points, verdicts, {**PARAMETERS, "subsample": 60})
    assert found["silhouette"].notna().sum() == found["control"].notna().sum() == 60
    assert adjusted_rand_score(kind, found["cluster"]) > 0.95
    assert np.isfinite(found[["x", "y", "distance"]].to_numpy()).all()
    # the rest stands among its like
    centres = found.groupby("cluster")[["x", "y"]].mean()
    nearest = [((centres - place) ** 2).sum(axis=1).idxmin() for place in found[["x", "y"]].to_numpy()]
    assert np.mean(nearest == found["cluster"]) > 0.95


def test_verdicts_share_no_cluster_and_the_picture_keeps_neighbours() -> None:
    """Four kinds that do not follow the verdict: each verdict has its own four."""
    points, kind = planted(4, 200)
    verdicts = np.random.default_rng(3).permutation(["FAKE", "REAL"] * 100)
    found = cluster_space(points, verdicts, PARAMETERS)
    assert list(found.columns) == ["cluster", "distance", "x", "y", "silhouette", "control"]
    assert (pd.crosstab(found["cluster"], verdicts) > 0).sum(axis=1).eq(1).all()
    assert found["cluster"].nunique() == 8
    for verdict in ("FAKE", "REAL"):
        mine = verdicts == verdict
        assert adjusted_rand_score(kind[mine], found["cluster"][mine]) > 0.95
    assert (np.diff(found["cluster"].value_counts().sort_index()) <= 0).all()
    # t-SNE's own measure: 1 keeps every neighbour, a picture by lot has 0.5
    assert trustworthiness(points, found[["x", "y"]].to_numpy(), n_neighbors=10) > 0.85
    again = cluster_space(points, verdicts, PARAMETERS)
    pd.testing.assert_frame_equal(found, again)


def test_labels_are_numbered_from_the_largest_down() -> None:
    np.testing.assert_array_equal(by_size(np.array([2, 2, 2, 0, 1, 1])), [0, 0, 0, 2, 1, 1])
    # a number that nobody has leaves no gap
    np.testing.assert_array_equal(by_size(np.array([3, 0, 3])), [0, 1, 0])


@pytest.mark.filterwarnings("error")
def test_images_that_are_all_alike_are_one_cluster() -> None:
    found = cluster_space(np.ones((50, 16)), np.repeat(["FAKE", "REAL"], 25), PARAMETERS)
    assert found["cluster"].tolist() == [0] * 25 + [1] * 25
    assert (found[["distance", "x", "y"]] == 0).all(axis=None)
    assert found["silhouette"].isna().all()


@pytest.mark.filterwarnings("error")
def test_two_pictures_many_times_over_are_two_clusters() -> None:
    points = np.zeros((40, 16))
    points[::4] = 1
    found = cluster_space(points, np.repeat(["REAL"], 40), PARAMETERS)
    assert found["cluster"].tolist() == [1, 0, 0, 0] * 10
    np.testing.assert_allclose(found["silhouette"], 1)
    assert np.isfinite(found.to_numpy()).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("few", [0, 1, 2, 23])
def test_a_verdict_of_few_images_stays_whole(few: int) -> None:
    points = np.random.default_rng(0).normal(size=(40 + few, 16))
    found = cluster_space(points, np.repeat(["FAKE", "REAL"], [40, few]), PARAMETERS)
    assert found["cluster"][40:].nunique() == min(few, 1)
    assert found["silhouette"][40:].isna().all()
    mine = points[40:]
    if few:
        centre = np.linalg.norm(mine - mine.mean(axis=0), axis=1)
        np.testing.assert_allclose(found["distance"][40:], centre, rtol=1e-3, atol=1e-6)


@pytest.fixture
def run() -> Run:
    """Two kinds within each verdict, in features and maps alike; one kind of FAKE verdicts is mostly wrong."""
    generator = np.random.default_rng(0)
    kind = np.arange(160) % 4
    called = np.where(kind < 2, "FAKE", "REAL")
    label = np.where(kind == 1, np.where(generator.random(160) < 0.8, "REAL", "FAKE"), called)
    features = generator.normal(size=(160, 16)) + 6 * np.eye(16)[kind]
    maps = 0.2 * generator.normal(size=(160, 4, 4))
    for number in range(4):
        maps[kind == number, number] += 1 if number > 1 else -1
    facts = {name: np.float32(1) for name in ("brightness", "contrast", "greyness", "fine_detail", "file_bytes")}
    made = made_run(label.tolist(), called.tolist(), maps=maps, category="cat", **facts)
    return replace(made, features=np.asarray(features, np.float16))


def test_the_study_finds_what_was_planted_and_where_it_errs(run: Run) -> None:
    heard: list[str] = []
    context = Context(run, None, np.zeros((160, 32, 32, 3), np.uint8), say=lambda _share, text: heard.append(text))  # type: ignore[arg-type]
    table = compute(context, np.arange(160), PARAMETERS)
    assert list(table.columns) == ["id", *COLUMNS]
    assert heard == ["clusters by the detector's features", "clusters by margin maps"]
    kind = np.arange(160) % 4
    said = {finding.key: finding for finding in conclude(run, table, PARAMETERS)}
    for space in ("features", "maps"):
        assert adjusted_rand_score(kind, table[f"{space}_cluster"]) > 0.95
        for verdict in ("FAKE", "REAL"):
            number = said[f"number-{space}-{verdict}"]
            assert number.details["clusters"] == 2
            own = table.loc[run.predictions["predicted"] == verdict, f"{space}_silhouette"].astype(float).mean()
            assert number.measure.value == pytest.approx(own)
            assert number.control is not None
            assert number.control.measure.value < own
        bad = int(table.loc[kind == 1, f"{space}_cluster"].mode()[0])
        worst = said[f"worst-{space}-FAKE"]
        assert worst.details["cluster"] == bad
        assert worst.measure.low < worst.measure.value < worst.measure.high
        assert claim_status(worst) == ClaimStatus("holds", 1)
        # where nothing is wrong no cluster is worse
        none = said[f"worst-{space}-REAL"]
        assert not none.measure.known


def test_what_is_clustered_are_features_and_where_maps_point(run: Run) -> None:
    context = Context(run, None, np.zeros((160, 32, 32, 3), np.uint8))  # type: ignore[arg-type]
    rows = np.array([3, 70])
    found = spaces(context, rows)
    np.testing.assert_array_equal(found["features"], np.asarray(run.features, np.float64)[rows])
    np.testing.assert_allclose(np.linalg.norm(found["maps"], axis=1), 1)
    maps = np.asarray(run.maps, np.float64)[rows].reshape(2, 16)
    np.testing.assert_allclose(found["maps"], maps / np.linalg.norm(maps, axis=1, keepdims=True))
    # a map of nothing points nowhere
    nothing = replace(run, maps=np.zeros((160, 4, 4), np.float16))
    assert (spaces(replace(context, run=nothing), rows)["maps"] == 0).all()


def test_features_that_the_run_did_not_keep_are_computed(source: Source) -> None:
    context = source.open()
    rows = np.arange(0, 60, 7)
    kept, anew = (
        spaces(replace(context, run=replace(context.run, features=features)), rows)["features"]
        for features in (context.run.features, None)
    )
    np.testing.assert_allclose(anew, kept, rtol=2e-3, atol=2e-3)


def test_a_run_of_few_images_is_refused_in_words(run: Run) -> None:
    context = Context(run, None, np.zeros((160, 32, 32, 3), np.uint8))  # type: ignore[arg-type]
    for rows in (np.arange(1), np.arange(2), np.arange(23)):
        with pytest.raises(StudyError, match=f"clusters of {len(rows)} images say nothing; ask for at least 24"):
            compute(context, rows, PARAMETERS)


def test_it_runs_as_a_study(source: Source) -> None:
    run = read_run(source.run)
    with pytest.raises(ValueError, match="clouds must be at least 1"):
        run_study(STUDY.with_parameters({"most": 3, "clouds": 0}), source)
    answer = read_study(run_study(STUDY.with_parameters({"most": 3, "clouds": 1}), source), run)
    assert list(answer.table.columns) == ["id", *COLUMNS]
    assert len(answer.table) == 60
    assert to_json(answer.findings) == to_json(conclude(run, answer.table, {}))
