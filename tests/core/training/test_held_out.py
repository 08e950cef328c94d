"""Held-out images: how they are chosen, the temperature, and the weights of joined detectors."""

from dataclasses import replace
from hashlib import sha256
from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from core.detectors.detector import Detector
from core.detectors.storage import load_detector, save_detector
from core.images.labels import REAL
from core.images.loading import load_image_set
from core.storage.limits import ContractError
from core.training import held_out
from core.training.held_out import fit_temperature, fit_weights, join, pack, validation_split
from tests.conftest import make_detector

RECIPE = {"name": "tiny", "validation": 0.25, "seed": 0}


@pytest.fixture
def images(cifake):
    return load_image_set(cifake, "train")


@pytest.fixture
def make(images):
    def one(name, *, width=4, seed=0, **recipe):
        known = {"name": name, "recipe": {**RECIPE, **recipe}, "training_set_fingerprint": images.fingerprint}
        return make_detector(width, seed, manifest=known)

    return one


@pytest.fixture
def equally(monkeypatch):
    """Random networks know nothing, and one would otherwise weigh nothing."""
    monkeypatch.setattr(held_out, "fit_weights", lambda margins, labels: np.linspace(0.5, 1.0, len(margins)))


def test_a_packed_network_gives_the_weighted_sum_and_is_a_detector_like_any_other(pixels, tmp_path):
    members = [make_detector(8, seed) for seed in range(3)]
    weights = np.array([0.25, 2.0, 0.5])
    packed = pack(members, weights)
    expected = sum(weight * one.margins(pixels) for weight, one in zip(weights, members, strict=True))
    # classifier weights are float16 again after the multiplication
    assert_allclose(packed.margins(pixels), expected, rtol=2e-3, atol=2e-3)
    assert packed.layers == members[0].layers
    save_detector(tmp_path / "all", packed, model_card="")
    read = load_detector(tmp_path / "all", device="cpu")
    assert read.config == {"width": 24, "groups": 3}
    assert_array_equal(read.margins(pixels), packed.margins(pixels))
    computed = read.full_pass(pixels)
    # the margin is the map's mean plus the bias, for groups too
    assert_allclose(computed.needed_maps.mean((1, 2)) + read.bias, computed.margins, rtol=1e-3, atol=1e-3)
    read.config = {"width": 24, "groups": 5}
    save_detector(tmp_path / "odd", read, model_card="")
    with pytest.raises(ContractError, match="divisible by groups"):
        load_detector(tmp_path / "odd", device="cpu")


def test_weights_are_those_of_a_logistic_regression():
    draw = np.random.default_rng(3)
    labels = draw.integers(0, 2, 4000)
    truth = np.where(labels == REAL, 1.0, -1.0)
    margins = np.stack([truth + draw.normal(0, 2, 4000), 3 * truth + draw.normal(0, 9, 4000)]).astype(np.float32)
    theirs = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-8).fit(margins.T, labels == REAL)
    assert_allclose(fit_weights(margins, labels), theirs.coef_[0], rtol=1e-3)


def test_joining_is_weighed_on_what_all_held_out(make, images, equally):
    members = [make("one", seed=1), make("two", seed=2)]
    joined = join(members, images)
    held = validation_split(images.rows["sha256"].to_numpy(), images.labels, 0.25, seed=0)
    said = joined.manifest["members"]
    assert [(one["name"], one["weight"]) for one in said] == [("one", 0.5), ("two", 1.0)]
    for member, one in [*zip(members, said, strict=True), (joined, joined.manifest)]:
        right = (member.margins(images.pixels[held]) > 0) == (images.labels[held] == REAL)
        assert one["val_accuracy"] == pytest.approx(right.mean())


def test_the_split_is_the_one_that_detectors_were_trained_on():
    """Held out are the images of each class whose hashes with the seed are the least, copies together."""
    names = np.array([f"{n % 31:064x}" for n in range(40)])
    labels = (np.arange(40) % 31 < 20).astype(np.uint8)
    held = validation_split(names, labels, 0.3, seed=7)
    for label in (0, 1):
        own = sorted(set(names[labels == label]), key=lambda name: sha256(f"7 {name}".encode()).hexdigest()[:12])
        assert set(names[held & (labels == label)]) == set(own[: round(0.3 * len(own))])
        assert not set(names[held]) & set(names[~held])


def test_of_many_those_with_the_least_log_loss_are_joined(make, images, equally):
    members = [make(name, seed=seed) for seed, name in enumerate(("one", "two", "three", "four"))]
    held = validation_split(images.rows["sha256"].to_numpy(), images.labels, 0.25, seed=0)
    real, margins = images.labels[held] == REAL, [member.margins(images.pixels[held]) for member in members]
    losses = {(a, b): log_loss(real, expit(0.5 * margins[a] + margins[b])) for a, b in combinations(range(4), 2)}
    names = [member["name"] for member in join(members, images, size=2).manifest["members"]]
    assert names == [members[number].name for number in min(losses, key=losses.get)]


def test_what_cannot_be_joined_is_a_sentence(make, images, monkeypatch):
    one, two = make("one", seed=1), make("two", seed=2)
    other = Detector.__new__(Detector)
    other.manifest = {"name": "other"}
    seldom = [make(name, seed=seed, validation=0.001) for name, seed in (("one", 1), ("two", 2))]
    foreign = replace(images, name="another", fingerprint="f" * 64)
    for members, where, sentence in (
        ([one], images, "two detectors or more, each of them once"),
        ([one, make("two", width=8)], images, "two has another width, preprocessing or classes than one"),
        ([one, other], images, "other is not the paper's network"),
        ([one, make("two", validation=0.5)], images, "two did not hold out the images of .* that one did"),
        ([one, two], foreign, "one did not hold out the images of another"),
        (seldom, images, "too few images"),
    ):
        with pytest.raises(ValueError, match=sentence):
            join(members, where)
    monkeypatch.setattr(held_out, "fit_weights", lambda margins, labels: np.array([1.0, 0.0]))
    with pytest.raises(ValueError, match="two adds nothing to the others"):
        join([one, two], images)


def test_temperature_agrees_with_logistic_regression():
    # no temperature fits verdicts that are all right
    assert fit_temperature(np.array([2, -3], np.float32), np.array([REAL, 1 - REAL])) == 1
    generator = np.random.default_rng(0)
    margins = generator.normal(0, 6, 4000).astype(np.float32)
    labels = (generator.random(4000) < expit(margins / 2.5)).astype(int)
    slope = LogisticRegression(C=1e9, fit_intercept=False).fit(margins[:, None], labels).coef_[0, 0]
    assert fit_temperature(margins, labels) == pytest.approx(1 / slope, rel=1e-3)
