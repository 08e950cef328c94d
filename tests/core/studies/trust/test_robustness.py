"""Stability: 1 for what does not depend on the seed or the noise, and each number against a second computation."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr

from core.detectors.detector import Detector
from core.explainers.lime.regions import LIME, LimeSettings
from core.findings.words import tell
from core.runs.run import Run, read_run
from core.studies import stability
from core.studies.explanations import Pass, explain_all, maps_of
from core.studies.runner import Source, run_study
from core.studies.stability import COLUMNS, STUDY, add_noise, compute, conclude, mean_rank
from core.studies.store import read_study
from core.studies.study import Context
from tests.core.trust_cues import made_run

PARAMETERS = {**STUDY.parameters, "others": 5, "lime_others": 3}
Explain = Callable[[NDArray[np.uint8], LimeSettings], NDArray[np.float64]]
CELLS = np.add.outer(np.arange(32) // 4 * 8, np.arange(32) // 4).astype(np.int16)


def explained(detector, image, explainer, settings):  # type: ignore[no-untyped-def]
    return explain_all(detector, [image], explainer, settings)[0]


def means(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """float64 (64,): the mean red of each cell."""
    return np.asarray(image[..., 0].reshape(8, 4, 8, 4).mean(axis=(1, 3)).ravel(), np.float64)


def by_image(image: NDArray[np.uint8], _settings: LimeSettings) -> NDArray[np.float64]:
    """An explanation that has no seed."""
    return means(image)


def by_seed(image: NDArray[np.uint8], settings: LimeSettings) -> NDArray[np.float64]:
    """An explanation that is nothing but its seed."""
    return np.random.default_rng((settings.seed, int(image.sum()))).normal(size=64)


def explain_by(monkeypatch: pytest.MonkeyPatch, explain: Explain) -> None:
    """Put another explanation, a value for each cell of the grid of 64, in the place of LIME."""

    def maps(detector: Detector, images: Any, explainer: Any, settings: Any) -> Any:
        if explainer is not LIME:
            return maps_of(detector, images, explainer, settings)
        return [explain(image, settings)[CELLS].astype(np.float32) for image in images]

    def explain_on(_lime: Any, _detector: Any, image: Any, settings: Any, _regions: Any) -> Any:
        return SimpleNamespace(map=explain(image, settings)[CELLS])

    monkeypatch.setattr(stability, "maps_of", maps)
    monkeypatch.setattr(stability, "explain_all", lambda _detector, images, *_: [Pass(CELLS, CELLS) for _ in images])
    monkeypatch.setattr(type(LIME), "explain_on", explain_on)


@pytest.fixture
def context(source: Source) -> Context:
    """60 made images and a random detector."""
    return source.open()


def test_what_has_no_seed_is_wholly_stable_under_another(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    explain_by(monkeypatch, by_image)
    table = compute(context, np.arange(12), PARAMETERS)
    # where the cut is the same for all images, keeping it changes nothing
    np.testing.assert_array_equal(table["lime_kept"], table["lime_noise"])
    assert list(table.columns) == ["id", *COLUMNS]
    np.testing.assert_allclose(table["lime_seed"], 1, atol=1e-6)
    assert (table["lime_noise"] < 1).all()
    assert (table["lime_noise"] > 0.9).all()
    assert table["lime_other"].abs().max() < 0.6


def test_what_is_nothing_but_its_seed_is_no_more_stable_than_other_images(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    explain_by(monkeypatch, by_seed)
    table = compute(context, np.arange(40), PARAMETERS)
    for column in ("lime_seed", "lime_noise", "lime_other"):
        assert abs(table[column].mean()) < 0.12
    # of 40 such correlations over 64 cells, one in twenty is beyond a quarter
    assert table["lime_seed"].abs().quantile(0.95) < 0.4


def test_every_number_is_scipys(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    explain_by(monkeypatch, by_image)
    rows = np.array([4, 41])
    table = compute(context, rows, PARAMETERS)
    cells = stability.Cells(context.run)
    for at, row in enumerate(rows.tolist()):
        image = context.pixels[row]
        after = add_noise(image, seed=(0, row))
        passed = context.detector.full_pass(np.stack([image, after]))
        found = table.loc[at]
        assert found["lime_noise"] == pytest.approx(spearmanr(means(image), means(after))[0], abs=1e-5)
        mates = [means(context.pixels[one]) for one in cells.references(row, 3)]
        assert found["lime_other"] == pytest.approx(
            np.mean([spearmanr(means(image), one)[0] for one in mates]), abs=1e-5
        )
        before, again = passed.maps.reshape(2, -1)
        assert found["gradcam_noise"] == pytest.approx(spearmanr(before, again)[0], abs=0.02)
        others = np.asarray(context.run.maps, np.float32)[cells.others(row, 5)].reshape(5, -1)
        expected = np.mean([spearmanr(before, one)[0] for one in others])
        assert found["gradcam_other"] == pytest.approx(expected, abs=0.02)
        assert found["margin_change"] == pytest.approx(abs(passed.margins[1] - passed.margins[0]), abs=1e-4)
        assert found["noise_turns"] == ((passed.margins[0] > 0) != (passed.margins[1] > 0))


def test_without_noise_nothing_changes(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    explain_by(monkeypatch, by_image)
    monkeypatch.setattr(stability, "add_noise", lambda image, seed: np.asarray(image))
    table = compute(context, np.arange(6), PARAMETERS)
    np.testing.assert_allclose(table[["lime_seed", "lime_noise", "gradcam_noise"]], 1, atol=1e-3)
    np.testing.assert_allclose(table["margin_change"], 0, atol=1e-4)
    assert not table["noise_turns"].any()


def test_noise_is_one_step_at_most_by_lot_and_the_same_every_time() -> None:
    image = np.full((32, 32, 3), 100, np.uint8)
    found = add_noise(image, seed=(0, 7)).astype(int) - 100
    assert set(np.unique(found)) == {-1, 0, 1}
    np.testing.assert_allclose([np.mean(found == step) for step in (-1, 0, 1)], 1 / 3, atol=0.04)
    np.testing.assert_array_equal(add_noise(image, seed=(0, 7)), add_noise(image, seed=(0, 7)))
    assert (add_noise(image, seed=(0, 8)) != add_noise(image, seed=(0, 7))).any()
    for end in (0, 255):
        assert np.abs(add_noise(np.full((32, 32, 3), end, np.uint8), seed=(0, 0)).astype(int) - end).max() == 1
    assert (image == 100).all()


def test_lime_of_a_network_that_looks_at_one_patch_does_not_depend_on_its_seed(patched: Source) -> None:
    context = patched.open()
    own, again, other = (
        explained(context.detector, context.pixels[row], LIME, LimeSettings(seed=seed)).values
        for row, seed in ((9, 0), (9, 1), (12, 0))
    )
    grid = [one.reshape(8, 4, 8, 4).mean(axis=(1, 3)).ravel() for one in (own, again, other)]
    assert spearmanr(grid[0], grid[1])[0] > 0.9
    assert spearmanr(grid[0], grid[2])[0] < 0.5


def test_the_cut_of_the_image_without_noise_is_kept_where_it_is_asked_for(patched: Source) -> None:
    context, row = patched.open(), 9
    alone = replace(context, missing=frozenset({"lime_kept"}))
    table = compute(alone, np.array([row, 12]), PARAMETERS)
    # nothing else of LIME is computed, the others not at all
    assert list(table.columns) == ["id", "lime_kept", "margin_change", "noise_turns"]
    image, settings = np.asarray(context.pixels[row]), LimeSettings()
    before = LIME.explain_fully(context.detector, image, settings)
    after = LIME.explain_on(context.detector, add_noise(image, seed=(0, row)), settings, before.regions)
    np.testing.assert_array_equal(after.regions, before.regions)
    cells = [one.map.reshape(8, 4, 8, 4).mean(axis=(1, 3)).ravel() for one in (before, after)]
    assert table["lime_kept"][0] == pytest.approx(spearmanr(*cells)[0], abs=1e-5)


def test_mean_rank_leaves_out_what_has_no_order() -> None:
    first, flat = np.arange(16.0), np.ones(16)
    assert mean_rank(first, [first, -first, -first, flat]) == pytest.approx(-1 / 3)
    assert mean_rank(first, [first, -first, flat], signed=False) == pytest.approx(1)
    assert np.isnan(mean_rank(first, [flat]))
    assert np.isnan(mean_rank(first, []))


@pytest.fixture
def told() -> tuple[Run, pd.DataFrame]:
    """A run and a table with numbers by lot, weights and a gap."""
    generator = np.random.default_rng(0)
    label = generator.permutation(["FAKE", "REAL"] * 30)
    called = generator.permutation(["FAKE", "REAL"] * 30)
    table = pd.DataFrame({name: generator.uniform(-1, 1, 60) for name in COLUMNS})
    table["noise_turns"] = generator.random(60) < 0.3
    table.loc[3, "lime_noise"] = np.nan
    table.insert(0, "id", list(map(str, range(60))))
    table["weight"] = generator.uniform(1, 3, 60)
    return made_run(label, called), table


def test_findings_hold_the_weighted_means_of_each_verdict_and_the_control(told: tuple[Run, pd.DataFrame]) -> None:
    run, table = told
    said = {finding.key: finding for finding in conclude(run, table, PARAMETERS)}
    assert len(said) == 6
    for verdict in ("FAKE", "REAL"):
        part = table[(run.predictions["predicted"].astype(str) == verdict).to_numpy()]
        turns = said[f"flips-{verdict}"].measure
        assert turns.value == pytest.approx(np.average(part["noise_turns"], weights=part["weight"]))
        assert turns.low < turns.value < turns.high
        for method, name in (("lime", "LIME"), ("gradcam", "Grad-CAM")):
            known = part.dropna(subset=[f"{method}_noise"])
            mean = np.average(known[f"{method}_noise"], weights=known["weight"])
            finding = said[f"{method}-{verdict}"]
            assert (finding.details["name"], finding.group) == (name, verdict)
            assert (finding.measure.value, finding.measure.n) == (pytest.approx(mean), len(known))
            other = np.average(part[f"{method}_other"], weights=part["weight"])
            assert finding.control is not None
            assert finding.control.measure.value == pytest.approx(other)
            apart = known[f"{method}_noise"] - known[f"{method}_other"]
            assert finding.difference is not None
            assert finding.difference.value == pytest.approx(np.average(apart, weights=known["weight"]))
            assert (finding.choice("repetition", "another seed") is not None) == (method == "lime")


def test_one_image_gives_sentences_without_an_interval(told: tuple[Run, pd.DataFrame]) -> None:
    run, table = told
    for finding in conclude(run, table.head(1), PARAMETERS):
        assert "nan" not in str(tell(finding).full)
    lost = table.assign(lime_noise=np.nan, gradcam_other=np.nan)
    for finding in conclude(run, lost, PARAMETERS):
        assert "nan" not in str(tell(finding).full)


def test_the_study_keeps_a_row_an_image(patched: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    explain_by(monkeypatch, by_image)
    run = read_run(patched.run)
    answer = read_study(run_study(STUDY, patched, images=8), run)
    assert len(answer.table) == 8
    assert list(answer.table.columns) == ["id", *COLUMNS, "weight"]
    # eight of sixteen, so each stands for two
    np.testing.assert_array_equal(answer.table["weight"], 2)
    assert [one.measure for one in answer.findings] == [
        one.measure for one in conclude(run, answer.table, STUDY.parameters)
    ]
    assert all(one.measure.n == 4 for one in answer.findings)
