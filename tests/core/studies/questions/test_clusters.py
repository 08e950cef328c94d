"""Clusters: planted ones are found, every number is scikit-learn's, and cards repeat the table and the run."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness
from sklearn.metrics import adjusted_rand_score, silhouette_samples

from core.findings.answer import answer_of
from core.runs.pictures import Pictures
from core.studies.questions.clusters import COLUMNS, STUDY, cluster_space, cluster_verdict, compute, conclude, spaces
from core.studies.shared.differences import Column, columns_of, compare_groups, differing, read_cards
from core.studies.store import study_path, write_study
from core.studies.study import Context, StudyError
from tests.core.runs.made import made_run

PARAMETERS = {**STUDY.parameters, "most": 6, "clouds": 2}
STATISTICS = {name: np.float32(1) for name in ("brightness", "contrast", "greyness", "fine_detail", "file_bytes")}


def planted(kinds, size=120, *, apart=8):
    """(size, 16) points around so many centres, unit noise, and which centre each has."""
    generator = np.random.default_rng(0)
    kind = generator.permutation(np.arange(size) % kinds)
    centres = generator.normal(size=(kinds, 16))
    centres *= apart / np.linalg.norm(centres, axis=1, keepdims=True)
    return centres[kind] + generator.normal(size=(size, 16)), kind


@pytest.mark.parametrize("kinds, apart", [(2, 8), (3, 8), (5, 8), (4, 4)])
def test_clusters_are_those_that_lead_most_over_the_control(kinds, apart):
    """The criterion a second time, with scikit-learn alone."""
    points, kind = planted(kinds, apart=apart)
    clustering = cluster_verdict(points, PARAMETERS)
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
    number = max(lead, key=lead.__getitem__)
    assert clustering.cluster.max() + 1 == number
    assert clustering.silhouette.mean() - clustering.control_silhouette.mean() == pytest.approx(lead[number], abs=1e-6)
    assert_allclose(clustering.silhouette, silhouette_samples(reduced, clustering.cluster), atol=1e-6)
    centres = pd.DataFrame(reduced).groupby(clustering.cluster).transform("mean")
    assert_allclose(clustering.distance, np.linalg.norm(reduced - centres, axis=1), rtol=1e-4)
    if apart == 8:
        assert number == kinds
        assert adjusted_rand_score(kind, clustering.cluster) > 0.95


def test_verdicts_share_no_cluster_and_the_picture_keeps_neighbours():
    """Four kinds that do not follow the verdict: each verdict has its own four."""
    points, _ = planted(4, 200)
    verdicts = np.random.default_rng(3).permutation(["FAKE", "REAL"] * 100)
    table = cluster_space(points, verdicts, PARAMETERS)
    assert (pd.crosstab(table["cluster"], verdicts) > 0).sum(axis=1).eq(1).all()
    assert (np.diff(table["cluster"].value_counts().sort_index()) <= 0).all()
    # 1 keeps every neighbour, random places have 0.5
    assert trustworthiness(points, table[["x", "y"]].to_numpy(), n_neighbors=10) > 0.85
    pd.testing.assert_frame_equal(table, cluster_space(points, verdicts, PARAMETERS))


@pytest.fixture
def two_kinds():
    """Two kinds within each verdict, in features and maps alike; one kind of FAKE verdicts is mostly wrong."""
    generator = np.random.default_rng(0)
    kind = np.arange(160) % 4
    predicted = np.where(kind < 2, "FAKE", "REAL")
    label = np.where(kind == 1, np.where(generator.random(160) < 0.8, "REAL", "FAKE"), predicted)
    features = generator.normal(size=(160, 16)) + 6 * np.eye(16)[kind]
    maps = 0.2 * generator.normal(size=(160, 4, 4))
    for number in range(4):
        maps[kind == number, number] += 1 if number > 1 else -1
    run = made_run(label.tolist(), predicted.tolist(), maps=maps, category="cat", **STATISTICS)
    return replace(run, features=np.asarray(features, np.float16))


def test_the_study_finds_what_was_planted_and_where_it_errs(two_kinds):
    context = Context(two_kinds, None, np.zeros((160, 32, 32, 3), np.uint8))
    points = spaces(context, np.arange(160))
    assert_array_equal(points["features"], np.asarray(two_kinds.features, np.float64))
    maps = np.asarray(two_kinds.maps, np.float64).reshape(160, 16)
    assert_allclose(points["maps"], maps / np.linalg.norm(maps, axis=1, keepdims=True))
    table = compute(context, np.arange(160), PARAMETERS)
    assert list(table) == ["id", *COLUMNS]
    kind = np.arange(160) % 4
    findings = {finding.key: finding for finding in conclude(two_kinds, table, PARAMETERS)}
    for space in ("features", "maps"):
        assert adjusted_rand_score(kind, table[f"{space}_cluster"]) > 0.95
        for verdict in ("FAKE", "REAL"):
            number = findings[f"number-{space}-{verdict}"]
            assert number.details["clusters"] == 2
            mine = table[two_kinds.predictions["predicted"].to_numpy() == verdict].astype(float, errors="ignore")
            assert number.measure.value == pytest.approx(mine[f"{space}_silhouette"].mean())
            assert number.control.measure.value == pytest.approx(mine[f"{space}_control_silhouette"].mean())
        worst = findings[f"worst-{space}-FAKE"]
        assert worst.details["cluster"] == int(table.loc[kind == 1, f"{space}_cluster"].mode()[0])
        assert answer_of(worst).word == "yes"
        # where nothing is wrong no cluster is worse
        assert not findings[f"worst-{space}-REAL"].measure.known
    with pytest.raises(StudyError, match="ask for at least 24"):
        compute(context, np.arange(23), PARAMETERS)


SIZE = 240
PREDICTED = np.repeat(["FAKE", "REAL"], SIZE // 2)
# clusters 0, 2, 4 are FAKE verdicts and 1, 3, 5 REAL ones; cluster 4 is mostly wrong
CLUSTER = np.concatenate([np.repeat([0, 2, 4], [60, 40, 20]), np.repeat([1, 3, 5], [50, 40, 30])])
WRONG = (CLUSTER == 4) & (np.arange(SIZE) % 4 > 0) | (np.arange(SIZE) % 20 == 0)
# a sample of every error and every third right answer, and how many images each stands for
KEEP = WRONG | (np.arange(SIZE) % 3 == 0)
CELLS = pd.Series(WRONG.astype(str)).add(PREDICTED)
CELL_WEIGHTS = (CELLS.map(CELLS.value_counts()) / CELLS.map(CELLS[KEEP].value_counts())).to_numpy()


@pytest.fixture
def run(tmp_path):
    label = np.where(WRONG, np.where(PREDICTED == "FAKE", "REAL", "FAKE"), PREDICTED)
    bright = np.where(CLUSTER == 2, 200, 100) + np.random.default_rng(0).normal(0, 5, SIZE)
    # a sample holds every error, which would make its plain mean too bright
    columns = {**STATISTICS, "category": "cat", "brightness": bright + 20 * WRONG}
    return replace(made_run(label.tolist(), PREDICTED.tolist(), **columns), path=tmp_path)


@pytest.fixture
def table():
    """In an order of its own."""
    generator = np.random.default_rng(1)
    columns = {"id": list(map(str, range(SIZE)))}
    for space in ("features", "maps"):
        columns[f"{space}_cluster"] = CLUSTER.astype(np.int8)
        columns[f"{space}_distance"] = generator.random(SIZE).astype(np.float32)
    return pd.DataFrame(columns).iloc[generator.permutation(SIZE)].reset_index(drop=True)


def write(run, name, table, columns):
    """A study of the run that offers these columns."""
    study_path(run.path, name).parent.mkdir(exist_ok=True)
    write_study(study_path(run.path, name), table, {"study": name, "explore": list(columns), "columns": columns})


def test_a_sample_is_weighted_up_wherever_its_pictures_are(run, table):
    generator = np.random.default_rng(2)
    pixels = generator.integers(0, 256, (SIZE, 8, 8, 3)).astype(np.uint8)
    where = np.where(CLUSTER == 3, -1, generator.permutation(SIZE))
    part = table[KEEP[table["id"].astype(int)]]
    # of two samples the sparser decides
    whole = pd.DataFrame({"id": run.predictions["id"], "again": run.predictions["brightness"], "weight": 1.0})
    write(run, "changes", whole, {"again": "again"})
    cards = read_cards(part, run, "features", compared=True, pictures=Pictures(pixels, where))
    for card in cards.itertuples():
        mine = np.flatnonzero(KEEP & (card.number == CLUSTER))
        weights = CELL_WEIGHTS[mine]
        assert card.error_rate == pytest.approx(np.average(WRONG[mine], weights=weights))
        assert card.verdict_error_rate == pytest.approx(WRONG[card.verdict == PREDICTED].mean())
        assert card.share == pytest.approx(weights.sum() / SIZE)
        assert (card.mean_image is None) == (card.number == 3)
        if card.number == 2:
            expected = np.average(pixels[where[mine]], axis=0, weights=weights)
            assert_allclose(card.mean_image, expected, rtol=0, atol=0.51)
            expected = np.average(run.predictions["brightness"].to_numpy()[mine], weights=weights)
            own = {each.column: each.own for each in card.apart}
            assert own == pytest.approx({"brightness": expected, "changes.again": expected})


def test_columns_of_studies_set_clusters_and_groups_apart(run, table):
    """Of a probe's columns on two images in three, with weights; the sparser of two samples decides."""
    generator = np.random.default_rng(2)
    covered = generator.permutation(np.flatnonzero(np.arange(SIZE) % 3 > 0))
    flips = np.where(CLUSTER == 1, generator.random(SIZE) < 0.9, generator.random(SIZE) < 0.1)
    weights = np.where(flips, 1.0, 2.0)
    columns = {
        "id": list(map(str, range(SIZE))),
        "flips": flips,
        "change": generator.normal(size=SIZE) + 5 * (CLUSTER == 3),
        "cause": np.where(CLUSTER == 0, "fill", "none"),
        "hidden": 9.0 * (CLUSTER == 0),
        "name": [f"n{number}" for number in range(SIZE)],
        "weight": weights,
    }
    explore = {"flips": "blur flips, yes or no", "change": "change, margins", "cause": "why", "name": "name"}
    write(run, "changes", pd.DataFrame(columns).iloc[covered], explore)
    write(run, "clusters", pd.DataFrame(columns), explore)
    cards = read_cards(table, run, "features", compared=True)
    apart = {(card.number, each.column): each for card in cards.itertuples() for each in card.apart}

    def mean(*numbers):
        mine = covered[np.isin(CLUSTER[covered], numbers)]
        return float(np.average(flips[mine], weights=weights[mine]))

    flipping = apart[1, "changes.flips"]
    assert (flipping.own, flipping.rest) == pytest.approx((mean(1), mean(3, 5)))
    assert flipping.label == "Blur flips"
    cause = apart[0, "changes.cause"]
    assert (cause.label, cause.value, cause.own, cause.rest) == ("Why", "fill", 1, 0)
    assert apart[3, "changes.change"].label == "Change"
    assert not any(name in {"changes.hidden", "changes.name"} or name.startswith("clusters") for _, name in apart)
    # what can be seen comes first, whatever its size
    assert cards["apart"][2][0].column == "brightness"
    found = differing(columns_of(run, np.arange(SIZE), np.ones(SIZE)), CLUSTER == 1, CLUSTER == 3)
    assert [each.column for each in found] == ["changes.change", "changes.flips"]


COUNT = 900
GROUP, OTHERS = (np.arange(COUNT) % 3 == number for number in (0, 1))
ONES = np.ones(COUNT)


@pytest.mark.parametrize("shift", [0.6, -0.6])
def test_means_are_compared_by_cohens_d(shift):
    generator = np.random.default_rng(0)
    # the third group is in neither
    values = generator.normal(size=COUNT) + shift * GROUP + 50 * (~GROUP & ~OTHERS)
    values[generator.permutation(COUNT)[:50]] = np.nan
    weights = generator.uniform(1, 3, COUNT)
    difference = compare_groups(Column("c", "c", values, weights), GROUP, OTHERS)
    known = np.isfinite(values)
    own, rest = ((values[side & known], weights[side & known]) for side in (GROUP, OTHERS))
    means = [np.average(side, weights=beside) for side, beside in (own, rest)]
    assert (difference.own, difference.rest) == pytest.approx(tuple(means))
    assert difference.effect == pytest.approx(abs(means[0] - means[1]) / own[0].std(), rel=0.08)


def test_shares_are_compared_by_cohens_h_where_the_group_has_more():
    hits = (GROUP & (np.arange(COUNT) % 4 == 0)).astype(float)
    birds = Column("c", "c", hits, ONES, share=True, text="bird")
    more = compare_groups(birds, GROUP, OTHERS)
    assert (more.effect, more.own, more.rest) == pytest.approx(
        (2 * np.arcsin(np.sqrt(more.own)), hits[GROUP].mean(), 0)
    )
    assert compare_groups(birds, OTHERS, GROUP).effect == 0
    assert compare_groups(Column("c", "c", hits, ONES, share=True), OTHERS, GROUP).effect == more.effect
