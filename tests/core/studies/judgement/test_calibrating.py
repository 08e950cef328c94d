"""A rule that is found on made images: limits by quantiles, groups by counting, and one picture judged whole."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from core.detectors.resnet import ResNetDetector
from core.explainers.settings import ExplanationError
from core.images.preprocessing import Preprocessing
from core.images.statistics import image_statistics
from core.perturbations.postprocessing import deliver, seeing
from core.studies.judgement.calibrating import PASSING, ask, find_limits, groups_of_transfer, make_rule
from core.studies.judgement.familiarity import COLUMNS, NEIGHBOURS, Space
from core.studies.judgement.judging import as_json, judge_picture
from core.studies.out_of_distribution import AS_IT_IS, EVERY_FILTER, IMITATIONS, LARGE, PHOTOGRAPHS
from tests.conftest import textured


@pytest.fixture
def space(tiny_detector: ResNetDetector) -> Space:
    """Of 40 made images, as a run of them would have it."""
    pixels = np.concatenate([textured(20, fine=False, seed=1), textured(20, fine=True, seed=2)])
    return space_of(tiny_detector, pixels)


def space_of(detector: ResNetDetector, pixels: NDArray[np.uint8]) -> Space:
    class Run:
        predictions = image_statistics(pixels)
        features = detector.full_pass(pixels).features

    return Space.of(Run())  # type: ignore[arg-type]


def test_distances_against_their_definitions(tiny_detector: ResNetDetector, space: Space) -> None:
    pixels = textured(5, fine=True, seed=9)
    features = tiny_detector.full_pass(pixels).features
    assert features is not None
    assert space.features is not None
    found = space.measure(pixels, features)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    base = space.features / np.linalg.norm(space.features, axis=1, keepdims=True)
    np.testing.assert_allclose(found.features, np.sort(1 - unit @ base.T, axis=1)[:, NEIGHBOURS - 1], atol=1e-5)
    # the run's own images have unit spread: their squared distances are K on average
    own = np.concatenate([textured(20, fine=False, seed=1), textured(20, fine=True, seed=2)])
    distances = space.measure(own, None).statistics
    assert (distances**2).mean() <= len(COLUMNS)
    assert space.measure(np.zeros((1, 32, 32, 3), np.uint8), None).statistics[0] > distances.max()


def test_a_rule_counts_what_deliveries_leave(tiny_detector: ResNetDetector, space: Space) -> None:
    pictures = {"FAKE": textured(12, fine=False, seed=5), "REAL": textured(12, fine=True, seed=6)}
    own = {label: ask(tiny_detector, images) for label, images in pictures.items()}
    drawn = {"gan": ask(tiny_detector, textured(6, fine=True, seed=7))}
    rule = make_rule(tiny_detector, "r@s", space, own=own, others=drawn, transfer=[], what="made", made={})
    assert rule.detector == tiny_detector.identity.fingerprint
    assert [(one.name, one.images) for one in rule.groups[:3]] == [
        ("FAKE made", 12),
        ("REAL made", 12),
        # one generator does not speak for others
        ("pictures by gan", 6),
    ]
    both = make_rule(
        tiny_detector, "r@s", space, own=own, others=drawn | {"vae": drawn["gan"]}, transfer=[], what="made", made={}
    )
    assert [(one.name, one.images, one.sources) for one in both.groups[2:]] == [
        ("pictures drawn at this size by other generators", 12, 2),
        ("pictures by gan", 6, 1),
        ("pictures by vae", 6, 1),
    ]
    assert rule.features is not None
    assert rule.statistics is not None
    for number, (label, images) in enumerate(pictures.items()):
        held = []
        for image in images:
            sent = [one.pixels for one in deliver(image, seeing(Preprocessing(32))) if one.fits]
            margins = tiny_detector.margins(np.stack([image, *sent]))
            apart = space.measure(image[None], tiny_detector.full_pass(image[None]).features)
            assert apart.features is not None
            near = apart.features[0] <= rule.features.value and apart.statistics[0] <= rule.statistics.value
            if near and len(set(margins > 0)) == 1:
                held.append("REAL" if margins[0] > 0 else "FAKE")
        assert rule.groups[number].said == {name: held.count(name) for name in ("FAKE", "REAL")}
        assert rule.groups[number].label == label


def test_limits_let_the_share_pass_that_is_asked(tiny_detector: ResNetDetector, space: Space) -> None:
    own = ask(tiny_detector, textured(40, fine=True, seed=8))
    features, statistics = find_limits(space, own, {})
    measured = space.measure(own.pixels, own.features)
    assert statistics is not None
    assert features is not None
    assert statistics.value == np.quantile(measured.statistics[::2], PASSING)
    assert statistics.false_alarms.hits == int((measured.statistics[1::2] > statistics.value).sum())
    assert features.false_alarms.images == 20


def test_groups_of_transfer_are_its_counts() -> None:
    rows = [
        {"kind": kind, "source": "all", "encoding": AS_IT_IS, "filter": EVERY_FILTER, "images": 40, "clusters": 2,
         "called_real": real, "called_fake": fake}
        for kind, real, fake in ((LARGE, 3, 20), (PHOTOGRAPHS, 15, 5))
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    found = groups_of_transfer(table, Preprocessing(32), imitations=False)
    assert [(one.label, one.setting, one.said["REAL"], one.said["FAKE"]) for one in found] == [
        ("FAKE", "shrunk", 3, 20),
        ("REAL", "shrunk", 15, 5),
    ]
    # crops of 48 to 192 pixels are shrunk for some detectors and enlarged for others
    assert [one.label for one in groups_of_transfer(table, Preprocessing(64), imitations=False)] == ["FAKE"]
    drawn = table.assign(kind=IMITATIONS, filter=None)
    for steps, setting in ((Preprocessing(32), "same size"), (Preprocessing(32, 40, "after"), "enlarged")):
        assert {one.setting for one in groups_of_transfer(drawn, steps, imitations=True)} == {setting}


def test_a_picture_is_judged_whole(tiny_detector: ResNetDetector, space: Space) -> None:
    picture = textured(1, fine=True, seed=3)[0].repeat(3, axis=0).repeat(4, axis=1)
    seen, judgement = judge_picture(tiny_detector, picture, None)
    assert (seen.setting, judgement.answer) == ("shrunk", "Cannot tell")
    told = as_json(seen, judgement, 0.5)
    assert told["deliveries"]["of"] == len(seen.sent or ()) == 17
    margin = tiny_detector.margins(seeing(Preprocessing(32))(picture)[0][None])[0]
    assert told["network"]["margin"] == pytest.approx(float(margin), abs=1e-4)
    assert told["judgement"]["reason"]


def test_margins_that_are_no_numbers_are_not_judged(
    tiny_detector: ResNetDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = textured(1, fine=True, seed=3)[0].repeat(3, axis=0).repeat(4, axis=1)
    with monkeypatch.context() as patch:
        # of the deliveries alone
        patch.setattr(tiny_detector, "margins", lambda pixels: np.full(len(pixels), np.nan, np.float32))
        with pytest.raises(ExplanationError, match="not finite"):
            judge_picture(tiny_detector, picture, None)
    tiny_detector.network.fc.bias.fill_(float("nan"))
    # of the picture alone
    monkeypatch.setattr(tiny_detector, "margins", lambda pixels: np.ones(len(pixels), np.float32))
    with pytest.raises(ExplanationError, match="not finite"):
        judge_picture(tiny_detector, picture, None)


def test_a_skipped_neighbour_is_the_picture_itself(tiny_detector: ResNetDetector, space: Space) -> None:
    own = textured(20, fine=True, seed=2)
    features = tiny_detector.full_pass(own).features
    with_itself = space.measure(own, features).features
    without = replace(space, skip=1).measure(own, features).features
    assert with_itself is not None
    assert without is not None
    assert (without >= with_itself).all()
    assert (without > with_itself).any()
