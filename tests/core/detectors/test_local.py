"""Local scores: their mean is the margin, each depends on its own field alone, and tiles change nothing."""

from functools import cache
from itertools import product

import numpy as np
import pytest
import torch
import torchvision
from numpy.testing import assert_allclose
from torch import nn

from core.detectors.detector import Detector
from core.detectors.local import Fields, find_fields, find_linear_head, score_whole
from core.detectors.local_networks import PATCH_SIDES, FerretDetector
from core.detectors.manifest import Capability, Classes
from core.explainers.exact import EXACT
from core.explainers.registry import explainers
from core.images.preprocessing import Preprocessing
from tests.conftest import make_patch, noise, textured
from tests.core.detectors.plain import make_plain
from tests.core.detectors.test_ferretnet import make_network


class Around(nn.Module):
    """Features whose mean is scored, and a path around them."""

    def __init__(self):
        super().__init__()
        self.features = nn.Conv2d(3, 2, 3)

    def forward(self, inputs):
        """(N, 3, S, S) to (N, 2)."""
        return self.features(inputs).mean((2, 3)) + inputs.amax((2, 3))[:, :2] * torch.tensor([1.0, 2.0])


class Deaf(Around):
    """Features that nobody listens to."""

    def forward(self, inputs):
        """(N, 3, S, S) to (N, 2)."""
        return 0 * self.features(inputs).mean((2, 3)) + torch.tensor([1.0, 2.0])


@cache
def make(name):
    """A random detector: a name of those below."""
    torch.manual_seed(0)
    if name == "ferretnet":
        steps = Preprocessing(160, crop="native")
        return FerretDetector(make_network(), steps, Classes(("FAKE",), ("FAKE",)))
    if name.startswith("patch"):
        patch = make_patch(int(name[5:]))
        # as any network
        return Detector(patch.network, patch.preprocessing, patch.classes)
    network = torchvision.models.resnet18(num_classes=2) if name == "resnet18" else Around()
    return Detector(network, Preprocessing(96), Classes())


FIELDS = {
    "ferretnet": Fields(127, 8, -63),
    **{f"patch{size}": Fields(size, 2, 0) for size in PATCH_SIDES},
    "resnet18": None,
}


@pytest.mark.parametrize("name", FIELDS)
def test_the_mean_of_local_scores_is_the_margin_and_fields_are_those_of_the_layers(name):
    detector = make(name)
    pixels = noise(2, detector.side, detector.side)
    scores = detector.local_scores(pixels)
    assert_allclose(scores.mean((1, 2)), detector.margins(pixels), atol=1e-4)
    assert np.ptp(scores[0]) > 1e-3
    assert detector.fields == FIELDS[name]
    # a field of 435 pixels is larger than the picture
    offered = FIELDS[name] is not None
    assert (Capability.PATCH_SCORES in detector.capabilities) == offered
    assert (EXACT in explainers(detector)) == offered
    if offered:
        exact = EXACT.explain_fully(detector, pixels[0])
        assert exact.values.sum() == pytest.approx(exact.margin, abs=1e-4)


@pytest.mark.parametrize("detector", [make_plain(), make("around"), Detector(Deaf(), Preprocessing(96), Classes())],
                         ids=["a curved head", "a path around", "a head that does not listen"])  # fmt: skip
def test_a_margin_that_is_no_mean_has_no_local_scores(detector):
    assert detector.fields is None
    with pytest.raises(ValueError, match="no mean of local scores"):
        detector.local_scores(noise(detector.side, detector.side)[None])
    with pytest.raises(ValueError, match="no scores of parts"):
        next(detector.score_whole(noise(100, 100)))


def test_a_picture_smaller_than_the_input_is_scored_as_it_is_padded():
    detector = make("ferretnet")
    picture = noise(90, 200)
    *_, whole = detector.score_whole(picture)
    with torch.no_grad():
        scores = detector.scores(detector.inputs(detector.preprocessing.fit(picture)[None]))[0]
    assert whole.margin == pytest.approx(float(scores[1] - scores[0]), abs=1e-4)


@pytest.mark.parametrize(
    "side, kernel, step, padding, expected",
    [
        (20, 3, 1, 1, Fields(3, 1, -1)),
        (21, 5, 2, 2, Fields(5, 2, -2)),
        (40, 7, 3, 0, Fields(7, 3, 0)),
        (64, 6, 4, 5, Fields(6, 4, -5)),
        (33, 2, 5, 0, Fields(2, 5, 0)),
        (20, 19, 1, 0, Fields(19, 1, 0)),
        (20, 20, 1, 0, None),
        # fields as large as the picture, though they begin before it
        (20, 39, 1, 19, None),
        # fields that are no squares
        (20, (3, 5), 1, 0, None),
        (20, 3, (2, 1), 0, None),
        (20, 3, 1, (1, 0), None),
    ],
)
def test_fields_are_those_of_a_convolution_where_they_are_smaller_squares(side, kernel, step, padding, expected):
    layer = nn.Conv2d(3, 1, kernel, step, padding).requires_grad_(False)
    assert find_fields(lambda images: layer(images)[:, 0], torch.zeros(1, 3, side, side)) == expected


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_a_linear_head_has_the_weights_and_the_constant_of_the_layer_that_follows(scale):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 1))
    network.requires_grad_(False)[3].weight.mul_(scale)
    head = find_linear_head(
        network, "0", lambda inputs: network(inputs) * torch.tensor([0, 1]), torch.randn(2, 3, 9, 11)
    )
    assert head.layer == "0"
    assert_allclose(head.weights, network[3].weight[0], rtol=1e-4)
    assert head.bias == pytest.approx(float(network[3].bias), abs=1e-4 * scale)


@pytest.mark.parametrize("tile", [1, 6, 1000])
def test_tiles_are_put_together_as_the_whole(tile, monkeypatch):
    monkeypatch.setattr("core.detectors.local.TILE", tile)
    layer = nn.Conv2d(3, 1, 7, stride=3, padding=2).requires_grad_(False)

    def scores(picture):
        return layer(torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float())[0, 0].numpy()

    picture = noise(29, 43)
    steps = []
    for whole in score_whole(scores, Fields(7, 3, -2), picture):
        steps.append(whole.done)
        assert np.isfinite(whole.margin)
    assert steps == sorted(steps)
    assert steps[-1] == 1
    assert_allclose(whole.scores, scores(picture), rtol=1e-4, atol=1e-3)
    assert whole.margin == pytest.approx(float(scores(picture).mean()), rel=1e-4)


# for the detectors of patches
PIXELS = textured(3, fine=True, seed=5)


@pytest.mark.parametrize("field", PATCH_SIDES)
def test_the_margin_is_the_mean_score_of_patches_cut_out_one_by_one(field):
    detector = make_patch(field)
    corners = range(0, 32 - field + 1, 2)
    patches = np.stack([PIXELS[0, y : y + field, x : x + field] for y, x in product(corners, corners)])
    with torch.no_grad():
        alone = detector.network(detector.inputs(patches)).diff(dim=1)[:, 0].numpy()
    assert np.ptp(alone) > 0.1
    scores = detector.local_scores(PIXELS)
    assert_allclose(scores[0].ravel(), alone, atol=1e-5)
    computed = detector.full_pass(PIXELS)
    assert_allclose(scores.mean((1, 2)), computed.margins, atol=1e-5)
    assert_allclose(computed.needed_maps.mean((1, 2)) + detector.bias, computed.margins, atol=1e-5)


@pytest.mark.parametrize("field", PATCH_SIDES)
def test_the_exact_map_is_the_scores_spread_over_their_patches(field):
    detector = make_patch(field)
    scores = detector.local_scores(PIXELS)
    for number, found in enumerate(EXACT.explain_batch(detector, PIXELS, EXACT.settings())):
        expected = np.zeros((32, 32))
        for (row, column), score in np.ndenumerate(scores[number]):
            expected[2 * row : 2 * row + field, 2 * column : 2 * column + field] += (
                score / scores[number].size / field**2
            )
        assert_allclose(found.values, expected, atol=1e-6)
