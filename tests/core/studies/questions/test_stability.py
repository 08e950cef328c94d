"""Stability: 1 for what does not depend on the seed or the noise, and each number against scipy."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import spearmanr

from core.explainers.lime import LIME, LimeSettings
from core.studies.questions import stability
from core.studies.questions.stability import add_noise, compute, make_study
from core.studies.shared.groups import Cells
from tests.core.trust_cues import cell_means, explain_lime_by

pytestmark = pytest.mark.usefixtures("two_methods")
PARAMETERS = {**make_study().parameters, "others": 5, "lime_others": 3}


def by_image(image):
    """An explanation that has no seed: float64 (64,), the mean red of each cell."""
    return cell_means(image[..., 0])


def test_what_has_no_seed_is_stable_and_what_is_nothing_but_its_seed_is_not(source, monkeypatch):
    explain_lime_by(monkeypatch, stability, lambda _detector, image, _settings: by_image(image))
    table = compute(source.open(), np.arange(12), PARAMETERS)
    assert list(table) == ["id", *make_study().columns]
    # where the regions are the same for all images, keeping them changes nothing
    assert_array_equal(table["lime_kept_rank"], table["lime_noise_rank"])
    assert_allclose(table["lime_seed_rank"], 1, atol=1e-6)
    assert table["lime_noise_rank"].between(0.9, 1, inclusive="left").all()
    assert table["lime_other_rank"].abs().max() < 0.6
    explain_lime_by(
        monkeypatch,
        stability,
        lambda _detector, image, settings: np.random.default_rng((settings.seed, int(image.sum()))).normal(size=64),
    )
    random = compute(source.open(), np.arange(40), PARAMETERS)
    assert random[["lime_seed_rank", "lime_noise_rank", "lime_other_rank"]].mean().abs().max() < 0.12


def test_every_number_is_scipys(source, monkeypatch):
    explain_lime_by(monkeypatch, stability, lambda _detector, image, _settings: by_image(image))
    rows = np.array([4, 41])
    context = source.open()
    table = compute(context, rows, PARAMETERS)
    cells = Cells(context.run)
    for at, row in enumerate(rows.tolist()):
        image = context.pixels[row]
        computed = table.loc[at]
        after = add_noise(image, seed=(0, row))
        mates = [by_image(context.pixels[mate]) for mate in cells.references(row, 3)]
        ranks = [spearmanr(by_image(image), other)[0] for other in (by_image(after), *mates)]
        assert computed["lime_noise_rank"] == pytest.approx(ranks[0], abs=1e-5)
        assert computed["lime_other_rank"] == pytest.approx(np.mean(ranks[1:]), abs=1e-5)
        passed = context.detector.full_pass(np.stack([image, after]))
        before, again = passed.maps.reshape(2, -1)
        others = np.asarray(context.run.maps, np.float32)[cells.others(row, 5)].reshape(5, -1)
        assert computed["gradcam_noise_rank"] == pytest.approx(spearmanr(before, again)[0], abs=0.02)
        assert computed["gradcam_other_rank"] == pytest.approx(
            np.mean([spearmanr(before, other)[0] for other in others]), abs=0.02
        )
        assert computed["is_flipped_by_noise"] == ((passed.margins[0] > 0) != (passed.margins[1] > 0))


def test_regions_of_the_image_without_noise_are_kept_and_only_wanted_columns_computed(patched):
    context = patched.open()
    row = 9
    table = compute(replace(context, missing=frozenset({"lime_kept_rank"})), np.array([row, 12]), PARAMETERS)
    assert list(table) == ["id", "lime_kept_rank", "is_flipped_by_noise"]
    image = context.pixels[row]
    settings = LimeSettings()
    before = LIME.explain_fully(context.detector, image, settings)
    after = LIME.explain_fully(context.detector, add_noise(image, seed=(0, row)), settings, regions=before.regions)
    assert_array_equal(after.regions, before.regions)
    cells = [cell_means(explanation.values) for explanation in (before, after)]
    assert table["lime_kept_rank"][0] == pytest.approx(spearmanr(*cells)[0], abs=1e-5)
