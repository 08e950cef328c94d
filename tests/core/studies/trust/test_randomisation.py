"""Sanity: random weights change the maps, the detector's own do not; chance is counted by random detector."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from scipy.stats import spearmanr

from core.detectors.detector import Detector
from core.detectors.resnet import LEVELS, ResNetDetector
from core.detectors.resnet18 import build_network
from core.explainers.agreement import rank_correlation
from core.explainers.deletion import edge_map
from core.explainers.lime.regions import LIME, LimeSettings
from core.findings.claims import sign_of
from core.findings.words import tell
from core.runs.run import Run, read_run
from core.studies import explanations as passes
from core.studies import randomisation as sanity
from core.studies.cells import Cells
from core.studies.explanations import Pass
from core.studies.randomisation import STUDY, compute, conclude, levels_for, sanity_summary
from core.studies.runner import Source, run_study
from core.studies.store import read_study
from core.studies.study import Context
from tests.core.trust_cues import made_run

PARAMETERS = {**STUDY.parameters, "networks": 3, "others": 5, "lime_others": 3}
Explain = Callable[[Detector, NDArray[np.uint8], LimeSettings], Pass]
LIME_LEVELS = levels_for(LIME, LEVELS)
COLUMNS = [
    "network",
    *(f"gradcam_{level}" for level in (*LEVELS, "other", "edges")),
    *(f"lime_{level}" for level in (*LIME_LEVELS, "other", "edges")),
]
CELLS = np.add.outer(np.arange(32) // 4 * 8, np.arange(32) // 4).astype(np.int16)


def by_map(detector: Detector, image: NDArray[np.uint8], _settings: LimeSettings) -> Pass:
    """An explanation that is the detector's map at the grid's cells: it depends on every weight."""
    weights = detector.full_pass(image[None]).maps[0].repeat(2, axis=0).repeat(2, axis=1).ravel()
    weights = weights + np.linspace(0, 1e-4, 64, dtype=np.float32)
    return Pass(weights[CELLS], CELLS, weights)


def by_edges(_detector: Detector, image: NDArray[np.uint8], _settings: LimeSettings) -> Pass:
    """An explanation that knows nothing of the detector."""
    weights = edge_map(image).reshape(8, 4, 8, 4).mean(axis=(1, 3)).ravel().astype(np.float32)
    return Pass(weights[CELLS], CELLS, weights)


def explain_by(monkeypatch: pytest.MonkeyPatch, explain: Explain) -> None:
    """Put another explanation in the place of LIME."""

    def explain_on(detector: Detector, image: NDArray[np.uint8], settings: LimeSettings, regions: object) -> Any:
        assert regions is CELLS
        return SimpleNamespace(map=explain(detector, image, settings).values)

    def explain_all(detector: Detector, images: Any, explainer: Any, settings: Any) -> list[Pass]:
        assert explainer is LIME
        return [explain(detector, image, settings) for image in images]

    # what both modules know it by
    monkeypatch.setattr(passes, "explain_all", explain_all)
    monkeypatch.setattr(LIME, "explain_on", explain_on, raising=False)


@pytest.fixture
def context(source: Source) -> Context:
    """60 made images and a random detector."""
    return source.open()


@pytest.mark.parametrize("level", LEVELS)
def test_everything_down_to_the_level_is_new_and_everything_below_as_it_was(
    level: str, tiny_detector: Detector
) -> None:
    before = {name: tensor.clone() for name, tensor in tiny_detector.network.state_dict().items()}
    found = tiny_detector.randomised(level, seed=5).network.state_dict()
    fresh = build_network(tiny_detector.width, seed=5).state_dict()
    fallen = LEVELS[: LEVELS.index(level) + 1]
    names = {name: name.split(".")[0].replace("bn1", "conv1") for name in found}
    assert set(names.values()) == set(LEVELS)
    for name, part in names.items():
        expected = fresh[name] if part in fallen else before[name]
        assert torch.equal(found[name], expected), name
        # the detector itself is not touched
        assert torch.equal(tiny_detector.network.state_dict()[name], before[name])


def test_seeds_give_other_detectors_and_the_same_seed_the_same(
    tiny_detector: Detector, pixels: NDArray[np.uint8]
) -> None:
    first, again, other = (tiny_detector.randomised("layer3", seed=seed) for seed in (0, 0, 1))
    assert first.sha256 == again.sha256 != other.sha256
    np.testing.assert_array_equal(first.margins(pixels), again.margins(pixels))
    # what it computes with is what it holds
    with torch.inference_mode():
        logits = first.network(first.inputs(pixels)).numpy()
    np.testing.assert_allclose(first.margins(pixels), logits[:, 1] - logits[:, 0], rtol=1e-2, atol=1e-3)


def test_random_weights_change_the_maps(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    explain_by(monkeypatch, by_map)
    table = compute(context, np.arange(24), PARAMETERS)
    assert list(table.columns) == ["id", *COLUMNS]
    for level in LEVELS:
        assert table[f"gradcam_{level}"].mean() < 0.75
    for level in LIME_LEVELS:
        assert table[f"lime_{level}"].mean() < 0.75
    np.testing.assert_array_equal(table["network"], np.arange(24) % 3)


def test_the_detectors_own_weights_do_not(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    explain_by(monkeypatch, by_map)
    monkeypatch.setattr(ResNetDetector, "randomised", lambda detector, _level, seed: detector)
    table = compute(context, np.arange(10), PARAMETERS)
    for column in COLUMNS:
        if column.split("_")[-1] in LEVELS:
            np.testing.assert_allclose(table[column], 1, atol=5e-3)
    assert table["gradcam_other"].mean() < 0.9
    # nor does an explanation that knows nothing of the detector notice
    monkeypatch.undo()
    explain_by(monkeypatch, by_edges)
    blind = compute(context, np.arange(6), PARAMETERS)
    for level in (*LIME_LEVELS, "edges"):
        np.testing.assert_allclose(blind[f"lime_{level}"], 1, atol=1e-6)


def test_every_number_is_scipys_without_its_sign(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    explain_by(monkeypatch, by_map)
    rows = np.array([7, 50])
    table = compute(context, rows, PARAMETERS)
    maps = np.asarray(context.run.maps, np.float32)
    cells = Cells(context.run)
    settings = LimeSettings()
    for at, row in enumerate(rows.tolist()):
        image = context.pixels[row]
        lime = by_map(context.detector, image, settings).weights
        for level in ("fc", "layer2", "conv1"):
            odd = context.detector.randomised(level, seed=row % 3)
            after = odd.full_pass(image[None]).maps
            expected = abs(spearmanr(maps[row].ravel(), after.ravel())[0])
            assert table.loc[at, f"gradcam_{level}"] == pytest.approx(expected, abs=0.02)
            if level in LIME_LEVELS:
                expected = abs(spearmanr(lime, by_map(odd, image, settings).weights)[0])
                assert table.loc[at, f"lime_{level}"] == pytest.approx(expected, abs=0.02)
        # what the wholly random detector makes of other images
        mates = list(cells.others(row, 5))
        others = [
            abs(spearmanr(maps[row].ravel(), odd.full_pass(context.pixels[[one]]).maps.ravel())[0]) for one in mates
        ]
        assert table.loc[at, "gradcam_other"] == pytest.approx(np.mean(others), abs=0.02)
        limes = [by_map(odd, context.pixels[one], settings).weights for one in mates[:3]]
        expected = np.mean([abs(spearmanr(lime, one)[0]) for one in limes])
        assert table.loc[at, "lime_other"] == pytest.approx(expected, abs=0.02)
        edges = edge_map(image)
        for name, own, size in (("gradcam", maps[row].ravel(), 8), ("lime", lime, 4)):
            parts = edges.reshape(32 // size, size, 32 // size, size).mean(axis=(1, 3)).ravel()
            assert table.loc[at, f"{name}_edges"] == pytest.approx(abs(spearmanr(own, parts)[0]), abs=0.02)


@pytest.mark.parametrize("shape", [(16, 6), (7, 14), (4, 32), (1, 100)])
def test_a_map_of_any_shape_is_compared_over_cells_that_edges_have_too(shape: tuple[int, int]) -> None:
    def slope(height: int, width: int) -> NDArray[np.float64]:
        """Rising from left to right, and more steeply downwards."""
        return np.add.outer(10 * np.arange(height) / height, np.arange(width) / width)

    values = slope(*shape)
    found = sanity._compared_values(values)
    edges = sanity.on_grid(slope(32, 32), sanity._cells(values))
    assert np.isfinite(found).all()
    assert len(found) == len(edges) == min(8, shape[0]) * min(8, shape[1])
    assert rank_correlation(found, edges) == pytest.approx(1)


@pytest.fixture
def told() -> tuple[Run, pd.DataFrame]:
    """A run and a table whose numbers are mostly the luck of one of five random detectors."""
    generator = np.random.default_rng(0)
    network = np.arange(100) % 5
    table = pd.DataFrame({name: generator.uniform(0.2, 0.3, 100) for name in COLUMNS})
    for level in LEVELS:
        table[f"gradcam_{level}"] += generator.uniform(-0.15, 0.15, 5)[network]
    table["network"] = network
    table.insert(0, "id", list(map(str, range(100))))
    return made_run(["FAKE"] * 50 + ["REAL"] * 50, ["FAKE"] * 50 + ["REAL"] * 50), table


def test_the_interval_is_that_of_random_detectors_and_not_of_images(told: tuple[Run, pd.DataFrame]) -> None:
    """With as many images for each, it is Student's of the detectors' own means."""
    run, table = told
    said = {finding.key: finding for finding in conclude(run, table, PARAMETERS)}
    summary = sanity_summary(table, run).set_index(["group", "method", "level"])
    for verdict, part in (("FAKE", table[:50]), ("REAL", table[50:])):
        own = part.groupby("network")["gradcam_conv1"].mean()
        low, high = stats.t.interval(0.95, 4, own.mean(), stats.sem(own))
        finding, row = said[f"gradcam-{verdict}"], summary.loc[(verdict, "gradcam", "conv1")]
        for value, lower, upper in (
            (finding.measure.value, finding.measure.low, finding.measure.high),
            (row["value"], row["low"], row["high"]),
        ):
            assert value == pytest.approx(own.mean())
            assert lower == pytest.approx(low)
            assert upper == pytest.approx(high)
        # the control's other images are shown to the same few random detectors
        control, means = (
            summary.loc[(verdict, "gradcam", "other image")],
            part.groupby("network")["gradcam_other"].mean(),
        )
        between = stats.t.interval(0.95, 4, means.mean(), stats.sem(means))
        alone = stats.t.interval(0.95, 49, part["gradcam_other"].mean(), stats.sem(part["gradcam_other"]))
        assert control["low"] == pytest.approx(min(between[0], alone[0]))
        assert control["high"] == pytest.approx(max(between[1], alone[1]))


def test_what_a_random_detector_leaves_is_compared_image_by_image(told: tuple[Run, pd.DataFrame]) -> None:
    run, table = told
    kept = table.assign(lime_conv1=0.9 + table["lime_conv1"] / 10, gradcam_conv1=0.1)
    said = {finding.key: finding for finding in conclude(run, kept, PARAMETERS)}
    assert set(said) == {f"{method}-{verdict}" for method in ("gradcam", "lime") for verdict in ("FAKE", "REAL")}
    for verdict, part in (("FAKE", kept[:50]), ("REAL", kept[50:])):
        lime, gradcam = said[f"lime-{verdict}"], said[f"gradcam-{verdict}"]
        assert (sign_of(lime), sign_of(gradcam)) == (1, -1)
        assert (gradcam.measure.n, gradcam.measure.clusters) == (50, 5)
        apart = (part["lime_conv1"] - part["lime_other"]).groupby(part["network"]).mean()
        low, high = stats.t.interval(0.95, 4, apart.mean(), stats.sem(apart))
        assert lime.difference is not None
        assert lime.difference.value == pytest.approx(apart.mean())
        # never narrower than that of as many independent images
        assert lime.difference.low <= low + 1e-9
        assert lime.difference.high >= high - 1e-9
        assert str(tell(lime).answer).startswith(f"Part of LIME on {verdict} verdicts comes from the picture alone")
    assert all("nan" not in str(tell(finding).full) for finding in conclude(run, table.head(1), PARAMETERS))


def test_on_a_network_that_looks_at_one_patch_its_own_map_goes_with_the_weights(
    patched: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    explain_by(monkeypatch, by_map)
    found = read_study(run_study(STUDY.with_parameters({"networks": 1}), patched, images=8)).table
    assert len(found) == 8
    assert (found["gradcam_conv1"] < 0.9).all()
    run = read_run(patched.run)
    summary = sanity_summary(found, run).set_index(["group", "method", "level"])["value"]
    for verdict in ("FAKE", "REAL"):
        # one channel speaks for each class: a random classifier changes its height and not its shape
        assert summary[verdict, "gradcam", "fc"] > 0.9
        assert summary[verdict, "gradcam", "conv1"] < 0.5
