"""Randomisation: random weights change the maps, the detector's own do not; chance is counted by random detector."""

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from scipy.stats import spearmanr

from core.detectors.resnet import LEVELS, ResNetDetector, build_network
from core.explainers.lime import LIME
from core.explainers.measures import edge_map
from core.studies.questions import randomisation
from core.studies.questions.randomisation import compute, conclude, levels_for, make_study
from core.studies.shared.groups import Cells
from tests.core.runs.made import made_run
from tests.core.trust_cues import cell_means, explain_lime_by

pytestmark = pytest.mark.usefixtures("two_methods")
PARAMETERS = {**make_study().parameters, "networks": 3, "others": 5, "lime_others": 3}
LIME_LEVELS = levels_for(LIME, LEVELS)
COLUMNS = [
    "network",
    *(f"gradcam_{level}_rank" for level in (*LEVELS, "other", "edges")),
    *(f"lime_{level}_rank" for level in (*LIME_LEVELS, "other", "edges")),
]


def by_map(detector, image, _settings=None):
    """An explanation that is the detector's map at the grid's cells: it depends on every weight."""
    weights = detector.full_pass(image[None]).maps[0].repeat(2, axis=0).repeat(2, axis=1).ravel()
    return np.asarray(weights + np.linspace(0, 1e-4, 64, dtype=np.float32))


@pytest.mark.parametrize("level", LEVELS)
def test_everything_down_to_the_level_is_new_and_the_rest_as_it_was(level, tiny_detector):
    before = {name: tensor.clone() for name, tensor in tiny_detector.network.state_dict().items()}
    random = tiny_detector.randomised(level, seed=5)
    fresh = build_network(tiny_detector.network.width, seed=5).state_dict()
    fallen = LEVELS[: LEVELS.index(level) + 1]
    for name, tensor in random.network.state_dict().items():
        part = name.split(".")[0].replace("bn1", "conv1")
        assert torch.equal(tensor, fresh[name] if part in fallen else before[name]), name
        # the detector itself is not touched
        assert torch.equal(tiny_detector.network.state_dict()[name], before[name])
    assert random.sha256 == tiny_detector.randomised(level, seed=5).sha256
    assert random.sha256 != tiny_detector.randomised(level, seed=6).sha256


def test_random_weights_change_the_maps_and_the_detectors_own_do_not(source, monkeypatch):
    context = source.open()
    explain_lime_by(monkeypatch, randomisation, by_map)
    table = compute(context, np.arange(24), PARAMETERS)
    assert list(table) == ["id", *COLUMNS]
    of_levels = [column for column in COLUMNS if column.split("_")[-1] in LEVELS]
    assert (table[of_levels].mean() < 0.75).all()
    assert_array_equal(table["network"], np.arange(24) % 3)
    # what knows nothing of the detector does not notice
    explain_lime_by(monkeypatch, randomisation, lambda _detector, image, _settings: cell_means(edge_map(image)))
    blind = compute(context, np.arange(6), PARAMETERS)
    assert_allclose(blind[[f"lime_{level}_rank" for level in (*LIME_LEVELS, "edges")]], 1, atol=1e-6)
    explain_lime_by(monkeypatch, randomisation, by_map)
    monkeypatch.setattr(ResNetDetector, "randomised", lambda detector, _level, seed: detector)
    same = compute(context, np.arange(10), PARAMETERS)
    assert_allclose(same[of_levels], 1, atol=5e-3)
    assert same["gradcam_other_rank"].mean() < 0.9


def test_every_number_is_scipys_without_its_sign(source, monkeypatch):
    explain_lime_by(monkeypatch, randomisation, by_map)
    context = source.open()
    rows = np.array([7, 50])
    table = compute(context, rows, PARAMETERS)
    maps = np.asarray(context.run.maps, np.float32)
    for at, row in enumerate(rows.tolist()):
        image = context.pixels[row]
        own = maps[row].ravel()
        lime = by_map(context.detector, context.pixels[row])
        for level in ("fc", "layer2", "conv1"):
            random = context.detector.randomised(level, seed=row % 3)
            expected = {"gradcam": abs(spearmanr(own, random.full_pass(image[None]).maps.ravel())[0])}
            if level in LIME_LEVELS:
                expected["lime"] = abs(spearmanr(lime, by_map(random, image))[0])
            for name, value in expected.items():
                assert table.loc[at, f"{name}_{level}_rank"] == pytest.approx(value, abs=0.02)
        # what the fully random detector makes of other images
        mates = list(Cells(context.run).others(row, 5))
        ranks = [abs(spearmanr(own, random.full_pass(context.pixels[[mate]]).maps.ravel())[0]) for mate in mates]
        assert table.loc[at, "gradcam_other_rank"] == pytest.approx(np.mean(ranks), abs=0.02)
        ranks = [abs(spearmanr(lime, by_map(random, context.pixels[mate]))[0]) for mate in mates[:3]]
        assert table.loc[at, "lime_other_rank"] == pytest.approx(np.mean(ranks), abs=0.02)
        for name, values, size in (("gradcam", own, 8), ("lime", lime, 4)):
            edges = cell_means(edge_map(image), size)
            assert table.loc[at, f"{name}_edges_rank"] == pytest.approx(abs(spearmanr(values, edges)[0]), abs=0.02)


@pytest.fixture
def table():
    """Numbers that are mostly the luck of one of five random detectors; the first fifty images are called FAKE."""
    generator = np.random.default_rng(0)
    network = np.arange(100) % 5
    table = pd.DataFrame({name: generator.uniform(0.2, 0.3, 100) for name in COLUMNS})
    for level in LEVELS:
        table[f"gradcam_{level}_rank"] += generator.uniform(-0.15, 0.15, 5)[network]
    return table.assign(network=network, id=list(map(str, range(100))))


RUN = made_run(["FAKE"] * 50 + ["REAL"] * 50, ["FAKE"] * 50 + ["REAL"] * 50)


def test_the_interval_is_that_of_random_detectors_and_not_of_images(table):
    """With as many images for each, it is Student's of the detectors' own means."""
    findings = {finding.key: finding for finding in conclude(RUN, table, PARAMETERS)}
    for verdict, part in (("FAKE", table[:50]), ("REAL", table[50:])):
        own = part.groupby("network")["gradcam_conv1_rank"].mean()
        low, high = stats.t.interval(0.95, 4, own.mean(), stats.sem(own))
        measure = findings[f"gradcam-{verdict}"].measure
        assert (measure.value, measure.low, measure.high) == pytest.approx((own.mean(), low, high))
        assert measure.n == 50
        assert measure.sources == 5
