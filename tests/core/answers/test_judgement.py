"""The judgement of one picture: scope, threshold and file, against counts and savings that are made here."""

import json
import re

import numpy as np
import pytest

from core.answers.judgement import (
    Threshold,
    find_margin,
    find_threshold,
    judge,
    scope_of,
    scores,
    threshold_path,
    write_threshold,
)
from core.commands import explain, predict
from core.detectors.storage import load_detector
from core.images.encoding import encode_png
from core.images.preprocessing import Preprocessing, prepare_pixels
from core.storage.atomic import SEAL, sealed
from core.studies.study import StudyError
from tests.conftest import make_detector, resaved, textured, write_detector

READY = prepare_pixels(np.zeros((32, 32, 3), np.uint8), Preprocessing(32))


def threshold(fake=60, real=1, *, detector="f", run="r@s"):
    """A threshold that catches so many of 100 FAKE and of 100 REAL images."""
    counts = {name: {"hits": hits, "images": 100, "sources": 100} for name, hits in (("FAKE", fake), ("REAL", real))}
    given = {"detector": detector, "run": run, "margin": -1.0, "held_out": counts, "test": counts, "made": {}}
    photographs = {"hits": 1, "images": 9, "sources": 3}
    return Threshold.model_validate({**given, "photographs": photographs, "savings": ("jpeg_75",)})


@pytest.mark.parametrize(
    "size, steps, scope",
    [
        ((32, 32), Preprocessing(32), "in scope"),
        ((64, 48), Preprocessing(32), "shrunk"),
        ((20, 40), Preprocessing(32), "enlarged"),
        ((40, 32), Preprocessing(32), "cut"),
        ((32, 32), Preprocessing(32, 40, "after", "bilinear"), "enlarged"),
    ],
)
def test_only_pictures_of_the_detectors_size_are_in_scope(size, steps, scope):
    ready = prepare_pixels(np.zeros((*size, 3), np.uint8), steps)
    assert scope_of(ready, threshold()) == scope
    assert (judge(ready, threshold(), [-9.0, 9.0]).answer == "Out of scope") == (scope != "in scope")


@pytest.mark.parametrize(
    "fake, real, scope", [(50, 1, "in scope"), (49, 1, "weak"), (50, 2, "weak"), (100, 0, "in scope")]
)
def test_a_threshold_answers_only_if_it_is_useful(fake, real, scope):
    assert scope_of(READY, threshold(fake, real)) == scope
    assert scope_of(READY, None) == "unmeasured"


def test_fake_like_needs_a_margin_below_the_threshold_after_every_saving():
    assert judge(READY, threshold(), [-1.5, -1.2]).answer == "FAKE-like"
    for margins in ([-1.5, -0.9], [-1.0, -2.0]):
        assert judge(READY, threshold(), margins).answer == "Nothing found"


@pytest.mark.parametrize("images", [400, 1000, 2500])
def test_the_margin_is_the_highest_that_accuses_few_enough(images):
    real = np.random.default_rng(images).normal(1, 2, images)
    margin = find_margin(real)
    hits = int((real < margin).sum())
    # half a percent
    assert hits == images // 200
    # never above 0, where the prediction itself is REAL
    assert find_margin(real + 100) == 0
    with pytest.raises(StudyError, match="too few"):
        find_margin(real[:199])


def test_scores_are_the_largest_margin_of_the_picture_and_its_savings():
    detector = make_detector()
    pixels = textured(3, fine=True, seed=3)
    own = []
    for image in pixels:
        versions = [image, *(resaved(image, "JPEG", quality=quality) for quality in (95, 85, 75))]
        versions.append(resaved(image, "WEBP", quality=80, method=0))
        own.append(detector.margins(np.stack(versions)).max())
    np.testing.assert_allclose(scores(detector, pixels), own, atol=1e-5)


@pytest.fixture
def home(cifake, tmp_path):
    """A folder with a detector, a run of it, and a threshold beside that."""
    write_detector(tmp_path)
    assert predict.main(["other", "--data", str(cifake), "--out", str(tmp_path), "--device", "cpu"]) == 0
    fingerprint = load_detector(tmp_path / "detectors/other").identity.fingerprint
    run = tmp_path / "runs/other@images-test"
    write_threshold(run, threshold(detector=fingerprint, run=run.name))
    return tmp_path


def test_a_threshold_follows_its_detector_and_is_refused_once_it_was_edited(home, capsys):
    identity = load_detector(home / "detectors/other").identity
    stranger = make_detector(seed=5).identity
    (home / "detectors/other").rename(home / "detectors/mine")
    run = (home / "runs/other@images-test").rename(home / "runs/mine@images-test")
    assert find_threshold(identity, [run]) == threshold(detector=identity.fingerprint, run="other@images-test")
    assert find_threshold(stranger, [run]) is None
    path = threshold_path(run)
    text = path.read_text()
    edited = text.replace('"margin": -1.0', '"margin": -0.5')
    unsealed = json.dumps({key: value for key, value in json.loads(text).items() if key != SEAL})
    above = json.dumps(sealed(json.loads(text) | {"margin": 1.0}))
    picture = home / "own.png"
    picture.write_bytes(encode_png(textured(1, fine=True, seed=3)[0]))
    for broken in ("[]", "{", edited, unsealed, above):
        assert broken != text
        path.write_text(broken)
        # that of a stranger's run counts as none
        assert find_threshold(stranger, [run]) is None
        capsys.readouterr()
        assert explain.main([str(picture), "--detector", str(home / "detectors/mine"), "--json"]) == 2
        assert re.search(f"{re.escape(str(path))} .+ make it again: .* judgement --run .+", capsys.readouterr().err)


def test_the_judgement_in_a_line_and_as_json(home, capsys):
    pixels = textured(1, fine=True, seed=3)[0]
    detector = load_detector(home / "detectors/other")
    for name, picture in (("own", pixels), ("large", pixels.repeat(4, axis=0).repeat(4, axis=1))):
        path = home / f"{name}.png"
        path.write_bytes(encode_png(picture))
        capsys.readouterr()
        words = [str(path), "--detector", str(home / "detectors/other"), "--device", "cpu"]
        assert explain.main([*words, "--json"]) == 0
        shown = json.loads(capsys.readouterr().out)
        assert explain.main(words) == 0
        printed = capsys.readouterr().out
        assert printed.startswith(f"{name}.png: {shown['answer']}. {shown['sentence']}\nRaw output")
        assert f"{shown['raw']['verdict']}, margin {shown['raw']['margin']:+.2f}" in printed
        if name == "own":
            assert shown["answer"] == ("FAKE-like" if scores(detector, pixels[None])[0] < -1 else "Nothing found")
            assert shown["raw"]["margin"] == pytest.approx(float(detector.margins(pixels[None])[0]), abs=1e-5)
        else:
            assert shown["answer"] == "Out of scope"
            assert shown["scope"] == "shrunk"
            assert len(shown["raw"]["filters"]) > 1
