"""LIME on regions against the lime package and on detectors of which the answer is known."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from lime.lime_image import LimeImageExplainer
from lime.wrappers.scikit_image import SegmentationAlgorithm
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from core.detectors.detector import Detector
from core.detectors.resnet import ResNetDetector
from core.explainers.explanation import Explanation
from core.explainers.lime.regions import LIME, LIME_GRID, GridSettings, LimeSettings, target_values
from core.explainers.lime.segmentation import SEGMENTATIONS, segment
from core.explainers.settings import ExplanationError
from core.images.labels import FAKE, REAL
from core.perturbations.masking import FILLS, Fill, mask_batch
from tests.conftest import make_detector, textured
from tests.core.detectors.plain import CLASSES, PREPROCESSING, SIDE, Plain, PlainDetector


@pytest.fixture(scope="module")
def detector() -> Detector:
    """Random, but loud enough for masks to matter and undecided enough for probabilities to move."""
    network = make_detector(width=2, seed=1).network
    network.fc.weight *= 50
    network.fc.bias[REAL] -= float(np.mean(ResNetDetector(network).margins(textured(20, fine=True, seed=9))))
    return ResNetDetector(network)


@pytest.fixture(scope="module")
def fifty() -> NDArray[np.uint8]:
    return np.concatenate([textured(25, fine=False, seed=5), textured(25, fine=True, seed=6)])


def package_weights(
    detector: Detector, image: NDArray[np.uint8], *, n_samples: int, seed: int, slic: bool, probability: bool
) -> NDArray[np.float64]:
    """The lime package's weights, its classifier being the plain network: two columns, and the second is explained."""

    def classifier(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        with torch.inference_mode():
            logits = detector.network(detector.inputs(pixels)).double()
        if probability:
            return torch.softmax(logits, dim=1).numpy()
        margins = (logits[:, 1] - logits[:, 0]).numpy()
        return np.stack([-margins, margins], axis=1)

    algorithm = SegmentationAlgorithm("slic", n_segments=50, compactness=10, start_label=0) if slic else None
    # the package's ridge has alpha 1 whatever the number of samples, which for 1,000 is what ours has
    ridge = None if n_samples == 1000 else Ridge(alpha=n_samples / 1000, fit_intercept=True)
    explanation = LimeImageExplainer(random_state=seed).explain_instance(
        image,
        classifier,
        top_labels=2,
        num_samples=n_samples,
        batch_size=500,
        segmentation_fn=algorithm,
        model_regressor=ridge,
    )
    label = explanation.top_labels[0] if probability else REAL
    weights = dict(explanation.local_exp[label])
    return np.array([weights[number] for number in range(len(weights))])


def toward_verdict(explanation: Explanation) -> NDArray[np.float64]:
    """The weights of the predicted class."""
    return explanation.parts.weights * (1 if explanation.verdict == "REAL" else -1)


def test_random_sampling_gives_the_packages_weights_on_50_images(detector: Detector, fifty: NDArray[np.uint8]) -> None:
    for seed, image in enumerate(fifty):
        settings = LimeSettings(n_samples=120, seed=seed, sampling="random")
        ours = LIME.explain_fully(detector, image, settings)
        expected = package_weights(detector, image, n_samples=120, seed=seed, slic=True, probability=False)
        assert len(expected) == ours.diagnostics.numbers["segments"] > 8
        np.testing.assert_allclose(ours.parts.weights, expected, rtol=1e-3, atol=1e-5)


def test_the_papers_settings_give_the_packages_weights(detector: Detector, fifty: NDArray[np.uint8]) -> None:
    sizes = []
    # a thousand passes each, by the package in batches of ten
    for seed, image in enumerate(fifty[::4]):
        ours = LIME.explain_fully(detector, image, LimeSettings.paper(seed=seed))
        expected = package_weights(detector, image, n_samples=1000, seed=seed, slic=False, probability=True)
        np.testing.assert_allclose(toward_verdict(ours), expected, rtol=1e-3, atol=1e-5)
        sizes.append(np.abs(expected).max())
        assert ours.diagnostics.numbers["distinct"] <= 2 ** len(expected)
        assert ours.diagnostics.numbers["samples"] == 1000
    assert np.median(sizes) > 1e-3


def test_steps_grow_and_the_last_is_complete(detector: Detector, image: NDArray[np.uint8]) -> None:
    steps = list(LIME.explain(detector, image, LimeSettings(n_samples=300)))
    assert [step.diagnostics.numbers["samples"] for step in steps] == [64, 128, 256, 300]
    assert [step.complete for step in steps] == [False, False, False, True]
    assert all(later.provenance.seconds > sooner.provenance.seconds for sooner, later in pairwise(steps))
    once = LIME.explain_fully(detector, image, LimeSettings(n_samples=300))
    np.testing.assert_allclose(once.parts.weights, steps[-1].parts.weights)
    np.testing.assert_array_equal(once.parts.decisions, steps[-1].parts.decisions)


def test_no_sample_is_run_twice_and_none_that_is_not_shown(
    detector: Detector, image: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[NDArray[np.uint8]] = []
    logits = ResNetDetector.logits

    def counting(self: Detector, pixels: NDArray[np.uint8], **settings: object) -> NDArray[np.float32]:
        seen.extend(pixels)
        return logits(self, pixels, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(ResNetDetector, "logits", counting)
    steps = LIME.explain(detector, image, LimeSettings(n_samples=512))
    next(steps)
    assert len(seen) == 64
    seen.clear()
    paper = next(LIME.explain(detector, image, LimeSettings.paper()))
    assert paper.complete
    distinct = paper.diagnostics.numbers["distinct"]
    assert len(np.unique(np.array(seen[:distinct]), axis=0)) == distinct
    assert distinct <= 2 ** paper.diagnostics.numbers["segments"]


def test_cancel_stops_between_batches(detector: Detector, image: NDArray[np.uint8]) -> None:
    asked = []

    def cancel() -> bool:
        asked.append(True)
        return len(asked) > 3

    steps = list(LIME.explain(detector, image, LimeSettings(n_samples=5000), cancel=cancel))
    assert [step.diagnostics.numbers["samples"] for step in steps] == [64, 128, 256]
    assert not steps[-1].complete
    assert list(LIME.explain(detector, image, LimeSettings(), cancel=lambda: True)) == []


@pytest.mark.parametrize("fill", ["mean", "black", "blur"])
@pytest.mark.parametrize("sampling", ["balanced", "random"])
def test_the_one_patch_that_the_detector_sees_comes_first_and_the_rest_is_undecided(
    red_detector: Detector, red_patch: NDArray[np.uint8], fill: Fill, sampling: str
) -> None:
    settings = LimeSettings(segmentation="grid", n_segments=64, n_samples=512, fill=fill, sampling=sampling)  # type: ignore[arg-type]
    result = LIME.explain_fully(red_detector, red_patch, settings)
    patch = result.parts.regions[21, 9]
    assert (result.parts.regions == patch).sum() == 16
    expected = np.zeros(64)
    expected[patch] = 1
    if fill == "blur":
        # a blurred neighbour takes a little of the patch's red into its own place
        assert result.parts.weights.argmax() == patch
        assert result.parts.decisions[patch] == 1
    else:
        np.testing.assert_array_equal(result.parts.decisions, expected)
        assert result.parts.weights[patch] == pytest.approx(result.margin, rel=0.05)
    assert result.diagnostics.numbers["value"] == pytest.approx(result.margin, abs=1e-5)


def test_targets_speak_for_what_they_say(image: NDArray[np.uint8]) -> None:
    logits = np.array([[2.0, 1.0], [0.0, 3.0]])
    margins, sign = target_values(logits, "margin")
    np.testing.assert_array_equal(margins, [-1, 3])
    assert sign == 1
    probabilities, sign = target_values(logits, "probability")
    np.testing.assert_allclose(probabilities, torch.softmax(torch.tensor(logits), 1)[:, 0].numpy())
    assert sign == -1
    for name, column, side in (("FAKE", 0, -1), ("REAL", 1, 1)):
        values, sign = target_values(logits, name)  # type: ignore[arg-type]
        np.testing.assert_array_equal(values, logits[:, column])
        assert sign == side


def test_a_probability_far_from_one_half_keeps_its_digits() -> None:
    values, _ = target_values(np.array([[0.0, 30.0], [0.0, -30.0]]), "probability")
    np.testing.assert_allclose(values, [1, 9.357622968839299e-14], rtol=1e-2)


def test_undecided_is_what_is_uncertain_or_too_small_to_name(detector: Detector, image: NDArray[np.uint8]) -> None:
    result = LIME.explain_fully(detector, image)
    error = result.parts.high - result.parts.weights
    np.testing.assert_allclose(result.parts.weights - result.parts.low, error)
    named = (np.abs(result.parts.weights) > error) & (np.abs(result.parts.weights) >= 0.01 * abs(result.margin))
    np.testing.assert_array_equal(result.parts.decisions != 0, named)
    np.testing.assert_array_equal(result.undecided, ~named[result.parts.regions])
    np.testing.assert_array_equal(result.values, result.parts.weights[result.parts.regions])
    assert result.diagnostics.numbers["decided_share"] == pytest.approx(1 - result.undecided.mean())
    nothing = LIME.explain_fully(detector, image, LimeSettings(least_share=1))
    assert nothing.diagnostics.one_colour == "nothing decided"
    assert nothing.diagnostics.numbers["decided_share"] == 0


def test_what_holds_under_every_fill_is_what_each_fill_decides_alike(
    detector: Detector, image: NDArray[np.uint8]
) -> None:
    settings = LimeSettings(segmentation="grid", n_segments=16, n_samples=64, certain_under="every")
    *before, last = LIME.explain(detector, image, settings)
    assert [one.done for one in before] == sorted(one.done for one in before)
    assert last.complete
    assert not any(one.complete or one.parts.holds is not None for one in before)
    alone = {fill: LIME.explain_fully(detector, image, own).parts for fill, own in LIME.under_fills(settings).items()}
    assert list(alone) == list(FILLS)
    signs = np.stack([parts.decisions for parts in alone.values()])
    np.testing.assert_array_equal(last.parts.decisions, alone["mean"].decisions)
    np.testing.assert_array_equal(last.parts.holds, (signs == signs[0]).all(axis=0) & (signs[0] != 0))
    light = last.light[last.parts.regions == 3]
    assert (light == ((last.parts.decisions[3] != 0) and not last.parts.holds[3])).all()
    # some of each, or this says nothing
    assert 0 < last.parts.holds.sum() < np.count_nonzero(last.parts.decisions)
    held, decided = last.parts.holds.sum(), np.count_nonzero(last.parts.decisions)
    assert f"Of {decided} decided segments, {held} speak the same way" in last.diagnostics.sentence
    assert last.diagnostics.numbers["hold"] == held
    batch = LIME.explain_fully(detector, image, settings)
    np.testing.assert_array_equal(batch.parts.holds, last.parts.holds)
    assert LIME.cost(settings) > 4 * settings.n_samples
    once = LIME.explain_fully(detector, image, settings.changed(certain_under="this"))
    assert once.light is None
    assert "64 times with one fill: another fill may reverse" in LIME.reading(once)
    assert "one fill each; parts in a light tint are not decided alike under every fill." in LIME.reading(last)
    assert "another fill may reverse" not in LIME.reading(last)


def test_one_segment_is_named_as_the_cause(detector: Detector, image: NDArray[np.uint8]) -> None:
    for settings in (LimeSettings(segmentation="grid", n_segments=1), LimeSettings(segmentation="slic", n_segments=1)):
        result = LIME.explain_fully(detector, image, settings)
        assert result.diagnostics.numbers["segments"] == 1
        assert result.diagnostics.numbers["distinct"] == 2
        assert result.diagnostics.one_colour == "one segment"
        assert "one segment" in result.diagnostics.sentence
        kept, filled = detector.margins(mask_batch(image, result.parts.regions, keep=np.array([[True], [False]])))
        assert np.sign(result.parts.weights[0]) == np.sign(kept - filled)


def test_a_fill_that_moves_everything_one_way_is_named_as_the_cause(red_detector: Detector) -> None:
    # left: red and cyan grain, which every fill makes less red; right: grey and cyan, which only shuffling makes redder
    odd = np.random.default_rng(0).random((32, 32, 1)) < 0.5
    grain = np.where(odd, (180, 80, 80), (80, 180, 180)).astype(np.uint8)
    grain[:, 16:] = np.where(odd, (130, 130, 130), (30, 230, 230))[:, 16:]
    settings = LimeSettings(segmentation="grid", n_segments=16, n_samples=512)
    result = LIME.explain_fully(red_detector, grain, settings)
    np.testing.assert_array_equal(result.parts.decisions[result.parts.regions[:, :16]], 1)
    np.testing.assert_array_equal(result.parts.decisions[result.parts.regions[:, 16:]], 0)
    assert result.diagnostics.one_colour == "fill"
    assert "the fill is the cause" in result.diagnostics.sentence


@pytest.mark.parametrize("segmentation", SEGMENTATIONS)
@pytest.mark.parametrize("fill", FILLS)
def test_a_constant_image_works(detector: Detector, segmentation: str, fill: Fill) -> None:
    settings = LimeSettings(segmentation=segmentation, fill=fill, n_samples=64)  # type: ignore[arg-type]
    result = LIME.explain_fully(detector, np.full((32, 32, 3), 77, np.uint8), settings)
    assert np.isfinite(result.parts.weights).all()
    if fill not in ("black", "road"):
        # nothing that is filled looks different; ROAD adds noise
        np.testing.assert_allclose(result.parts.weights, 0, atol=1e-6)
        assert result.diagnostics.one_colour in {"nothing decided", "one segment"}
        assert result.diagnostics.numbers["decided_share"] == 0


def test_more_segments_than_pixels_are_refused_in_words(detector: Detector, image: NDArray[np.uint8]) -> None:
    for segmentation in ("slic", "grid"):
        with pytest.raises(ExplanationError, match="1024 pixels"):
            LIME.explain_fully(detector, image, LimeSettings(segmentation=segmentation, n_segments=1025))


def test_logits_that_are_no_numbers_are_refused(image: NDArray[np.uint8]) -> None:
    network = make_detector(width=2).network
    network.fc.bias.fill_(float("nan"))
    with pytest.raises(ExplanationError, match="not finite"):
        LIME.explain_fully(ResNetDetector(network), image)


def test_segments_are_numbered_without_gaps_and_as_many_as_asked(image: NDArray[np.uint8]) -> None:
    for method in SEGMENTATIONS:
        found = segment(image, method=method)
        assert found.dtype == np.int32
        np.testing.assert_array_equal(np.unique(found), np.arange(found.max() + 1))
    assert segment(image, method="grid", n_segments=30).max() + 1 == 30
    assert segment(image, method="grid", n_segments=64).max() + 1 == 64
    assert 20 <= segment(image).max() + 1 <= 40
    np.testing.assert_array_equal(segment(image, method="grid", n_segments=1), 0)


def test_an_image_can_be_cut_by_the_lines_of_another(detector: Detector, fifty: NDArray[np.uint8]) -> None:
    settings, own = LimeSettings(n_samples=96), segment(fifty[0], method="slic", n_segments=50)
    again = LIME.explain_on(detector, fifty[0], settings, own)
    np.testing.assert_array_equal(again.parts.weights, LIME.explain_fully(detector, fifty[0], settings).parts.weights)
    cut = LIME.explain_on(detector, fifty[30], settings, own)
    np.testing.assert_array_equal(cut.parts.regions, own)
    assert len(cut.parts.weights) == own.max() + 1


def test_what_speaks_for_fake_is_below_0_with_its_interval(
    red_detector: Detector, red_patch: NDArray[np.uint8]
) -> None:
    weight = red_detector.network.fc.weight
    weight[[FAKE, REAL]] = weight[[REAL, FAKE]].clone()
    detector = ResNetDetector(red_detector.network)
    settings = LimeSettings(segmentation="grid", n_segments=64, n_samples=512, fill="black", sampling="random")
    for target in ("FAKE", "margin", "probability"):
        found = LIME.explain_fully(detector, red_patch, settings.changed(target=target))
        patch, parts = found.regions[21, 9], found.parts
        assert parts.weights.argmin() == patch
        assert parts.low[patch] < parts.weights[patch] < parts.high[patch] < 0
        assert np.flatnonzero(parts.decisions).tolist() == [patch]
        assert parts.decisions[patch] == -1
        assert found.diagnostics.numbers["value"] > 0 or target == "margin"


def test_it_is_lime_cut_by_the_same_grid(red_detector: Detector, image: NDArray[np.uint8]) -> None:
    grid = LIME_GRID.explain_fully(red_detector, image, GridSettings(cells=4, n_samples=64))
    same = LIME.explain_fully(red_detector, image, LimeSettings(segmentation="grid", n_segments=16, n_samples=64))
    np.testing.assert_array_equal(grid.map, same.map)
    assert grid.diagnostics.numbers == same.diagnostics.numbers
    # the number of squares is no aim
    assert grid.diagnostics.sentence.startswith("16 segments, ")


def test_more_regions_than_can_be_weighed_are_refused() -> None:
    large = PlainDetector(Plain(4), PREPROCESSING, CLASSES)
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    with pytest.raises(ExplanationError, match="LIME on a grid weighs at most 1,024 regions, not 1,600; ask for fewer"):
        LIME_GRID.explain_fully(large, image, GridSettings(cells=40))


def test_more_cells_than_pixels_are_refused(red_detector: Detector, image: NDArray[np.uint8]) -> None:
    every = GridSettings(cells=32, n_samples=4, sampling="random")
    assert LIME_GRID.explain_fully(red_detector, image, every).regions.max() == 1023
    with pytest.raises(ExplanationError, match="cells must be from 1 to the image's 32 pixels a side, not 33"):
        LIME_GRID.explain_fully(red_detector, image, GridSettings(cells=33))
