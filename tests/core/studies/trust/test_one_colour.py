"""One colour: shares of maps whose colours are known, and the paper's settings against the lime package itself."""

import numpy as np
import pandas as pd
import pytest
import torch
from lime.lime_image import LimeImageExplainer
from numpy.typing import NDArray
from scipy.stats import binomtest

from core.detectors.detector import Detector
from core.detectors.resnet import ResNetDetector
from core.explainers.lime.regions import LimeSettings
from core.images.labels import REAL
from core.runs.run import read_run
from core.studies import single_sign as one_colour
from core.studies.explanations import Pass
from core.studies.runner import Source, run_study
from core.studies.single_sign import COLUMNS, STUDY, compute, conclude, one_colour_summary
from core.studies.store import read_study
from core.studies.study import Context
from tests.conftest import make_detector, textured
from tests.core.trust_cues import made_run

# what LIME finds under the paper's settings and under ours, both of REAL, and its cause
PLANTED = [
    ([0.3], [0.5, -0.2], ""),
    ([-0.3], [-0.5, -0.2], "one sign"),
    ([-0.1, -0.2], [0.5, 0.2], "fill"),
    ([-0.1, 0.2], [0.5, 0.0], "nothing decided"),
    ([0.1, 0.0], [0.0, 0.0], "nothing decided"),
]


def planted(_detector: Detector, image: NDArray[np.uint8], _explainer: object, settings: LimeSettings) -> Pass:
    """What `PLANTED` says of the image whose first pixel holds its number."""
    paper, ours, cause = PLANTED[int(image[0, 0, 0]) % len(PLANTED)]
    weights = np.array(paper if settings == LimeSettings.paper() else ours, np.float32)
    segments = np.minimum(np.arange(1024).reshape(32, 32) // 512, len(weights) - 1).astype(np.int16)
    decisions = np.sign(weights).astype(np.int8)
    cause = "" if settings == LimeSettings.paper() else cause
    return Pass(weights[segments], segments, weights, decisions, 0.9, 0.5, cause)


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> Context:
    """Fifty images, the five cases again and again; the first thirty are called FAKE."""
    monkeypatch.setattr(
        one_colour,
        "explain_all",
        lambda detector, images, method, settings: [planted(detector, one, method, settings) for one in images],
    )
    pixels = np.zeros((50, 32, 32, 3), np.uint8)
    pixels[:, 0, 0, 0] = np.arange(50)
    run = made_run(["FAKE", "REAL"] * 25, ["FAKE"] * 30 + ["REAL"] * 20)
    return Context(run, None, pixels)  # type: ignore[arg-type]


def test_known_colours_are_told(context: Context) -> None:
    table = compute(context, np.arange(50), STUDY.parameters)
    assert list(table.columns) == ["id", *COLUMNS]
    for row in (*range(5), *range(40, 45)):
        found = table.loc[row]
        case = row % 5
        assert found["paper_segments"] == (1, 1, 2, 2, 2)[case]
        assert found["paper_one_sign"] == (case != 3)
        # weights are for REAL: against a FAKE verdict where they are above 0, against a REAL one where they are below
        assert found["paper_against"] == (case in (1, 2) if row >= 30 else case == 0)
        assert found["ours_one_sign"] == (case != 0)
        assert found["ours_against"] == (case == 1 if row >= 30 else case == 2)
        assert found["ours_shown_one"] == (case != 0)
        assert found["ours_cause"] == PLANTED[case][2]


def test_shares_are_those_that_were_planted_with_wilsons_interval(context: Context) -> None:
    table = compute(context, np.arange(50), STUDY.parameters)
    said = {finding.key: finding for finding in conclude(context.run, table, STUDY.parameters)}
    summary = one_colour_summary(table, context.run).set_index(["group", "column"])
    for verdict, size in (("FAKE", 30), ("REAL", 20)):
        for key, column, share in (("paper", "paper_one_sign", 0.8), ("ours", "ours_shown_one", 0.8)):
            low, high = binomtest(round(share * size), size).proportion_ci(method="wilson")
            finding, row = said[f"{key}-{verdict}"], summary.loc[(verdict, column)]
            for value, lower, upper in (
                (finding.measure.value, finding.measure.low, finding.measure.high),
                (row["value"], row["low"], row["high"]),
            ):
                assert value == pytest.approx(share)
                assert (lower, upper) == (pytest.approx(low), pytest.approx(high))
            assert finding.measure.n == size
        against = 0.4 if verdict == "REAL" else 0.2
        assert summary.loc[(verdict, "paper_against"), "value"] == pytest.approx(against)
        paper, ours = said[f"paper-{verdict}"], said[f"ours-{verdict}"]
        assert (paper.beside["against"].value, paper.beside["few"].value) == (pytest.approx(against), 1)
        # the same images under both settings
        assert ours.control is not None
        assert ours.difference is not None
        assert (ours.control.measure, ours.difference.value) == (paper.measure, pytest.approx(0))
        assert summary.loc[(verdict, "ours_against"), "value"] == pytest.approx(0.2)


def test_a_sample_is_weighted_up(context: Context) -> None:
    table = compute(context, np.arange(30), STUDY.parameters)
    weights = np.where(table["paper_one_sign"], 1.0, 6.0)
    (paper, _) = conclude(context.run, table.assign(weight=weights), STUDY.parameters)
    # 24 rows of weight 1 against 6 of weight 6
    assert paper.measure.value == pytest.approx(24 / 60)


def test_under_the_papers_settings_it_is_the_packages_colour() -> None:
    """The lime package on its own, with the paper's classifier: softmax of the predicted class."""
    network = make_detector(width=2, seed=1).network
    network.fc.weight *= 50
    images = np.concatenate([textured(2, fine=False, seed=5), textured(2, fine=True, seed=6)])
    images[0] = 120
    network.fc.bias[REAL] -= float(np.mean(ResNetDetector(network, 2).margins(images)))
    detector = ResNetDetector(network, 2)

    def classifier(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        with torch.inference_mode():
            return np.asarray(torch.softmax(detector.network(detector.inputs(pixels)).double(), dim=1))

    called = np.where(detector.margins(images) > 0, "REAL", "FAKE")
    run = made_run(called.tolist(), called.tolist())
    table = compute(Context(run, detector, images), np.arange(4), STUDY.parameters)
    for image, found in zip(images, table.itertuples(), strict=True):
        package = LimeImageExplainer(random_state=0).explain_instance(
            image, classifier, top_labels=1, num_samples=1000, batch_size=500
        )
        weights = np.array([weight for _, weight in package.local_exp[package.top_labels[0]]])
        assert found.paper_segments == len(weights)
        assert found.paper_one_sign == (not ((weights > 0).any() and (weights < 0).any()))
        assert found.paper_against == bool((weights < 0).all())
    # one colour from edge to edge is one segment, and one weight has one colour
    assert table.loc[0, "paper_segments"] == 1
    assert table.loc[0, "paper_one_sign"]


def test_it_runs_as_a_study(patched: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        one_colour,
        "explain_all",
        lambda detector, images, method, settings: [planted(detector, one, method, settings) for one in images],
    )
    run = read_run(patched.run)
    answer = read_study(run_study(STUDY, patched), run)
    assert list(answer.table.columns) == ["id", *COLUMNS, "weight"]
    assert [one.measure for one in answer.findings] == [
        one.measure for one in conclude(run, answer.table, STUDY.parameters)
    ]
    assert [one.key for one in answer.findings] == ["paper-FAKE", "ours-FAKE", "paper-REAL", "ours-REAL"]
    assert pd.api.types.is_bool_dtype(answer.table["paper_one_sign"])
