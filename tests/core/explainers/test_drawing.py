"""Explanations drawn and saved: arrays, files, one page and one command."""

import io
import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from core.commands.explain import main
from core.detectors.storage import save_detector
from core.explainers.drawing import (
    Style,
    draw_explanation,
    draw_image,
    draw_map,
    draw_overlay,
    grey_picture,
    npz_of,
)
from core.explainers.lime import LIME, LimeSettings
from core.images.encoding import encode_png
from core.images.labels import CLASS_COLOURS, ENDS, NEUTRAL, UNDECIDED, rgb


@pytest.mark.parametrize("palette", ENDS)
def test_the_middle_is_neutral_and_the_ends_are_the_palettes(palette):
    drawn = draw_map(np.array([[-2.0, 0.0, 2.0]] * 3), 3, Style(palette))[0, :]
    negative, positive = ENDS[palette]
    assert tuple(drawn[1]) == rgb(NEUTRAL)
    assert np.abs(drawn[0].astype(int) - rgb(negative)).max() <= 1
    assert np.abs(drawn[2].astype(int) - rgb(positive)).max() <= 1


def test_an_overlay_is_the_grey_picture_where_the_map_is_zero_and_mixed_where_it_is_not():
    image = np.full((32, 32, 3), (200, 100, 50), np.uint8)
    grey = float(grey_picture(image)[0, 0, 0])
    assert (grey_picture(image) == grey).all(), "no colour but the map's"
    values = np.zeros((32, 32))
    values[:, 16:] = -1
    drawn = draw_overlay(image, values, 64, Style(opacity=0.5))
    assert_array_equal(drawn[:, :32], grey)
    expected = np.rint(grey / 2 + np.array(rgb(CLASS_COLOURS["FAKE"])) / 2)
    assert_allclose(drawn[0, 63], expected, atol=1)
    assert_array_equal(draw_overlay(image, values, 64, Style(opacity=0)), draw_image(grey_picture(image), 64))


def test_the_papers_colours_stand_for_and_against_the_verdict(lime):
    for margin, end in ((-4.0, 0), (4.0, 1)):
        found = replace(lime, parts=None, undecided=None, values=np.full((4, 4), 2.0), margin=margin)
        drawn = draw_explanation(found, 64, style=Style("paper", 1.0))[0, 0]
        assert_allclose(drawn, rgb(ENDS["paper"][end]), atol=1)


@pytest.fixture
def lime(detector, image):
    return LIME.explain_fully(detector, image, LimeSettings(n_samples=64, least_share=0.0))


def test_three_states_are_drawn_as_full_colour_light_and_hatched(lime):
    regions = np.add.outer(np.arange(32) // 16 * 2, np.arange(32) // 16).astype(np.int32)
    values, signs = np.array([2.0, 1.0, -2.0, 9.0]), np.array([1, 1, -1, 0], np.int8)
    holds = np.array([True, False, False, False])
    parts = replace(
        lime.parts, labels=("a",) * 4, weights=values, low=values, high=values, decisions=signs, regions=regions,
        holds=holds,
    )  # fmt: skip
    grey = np.full((32, 32, 3), 200, np.uint8)
    found = replace(lime, image=grey, parts=parts, values=values[regions], undecided=(signs == 0)[regions], margin=4.0)
    drawn = draw_explanation(found, 64, style=Style(opacity=1.0))
    solid, light, other = drawn[10, 10], drawn[10, 50], drawn[50, 10]
    blue, orange = (np.array(rgb(CLASS_COLOURS[name]), float) for name in ("REAL", "FAKE"))
    # what is undecided sets no scale: 2 is in full colour
    assert_allclose(solid, blue, atol=1)
    ground = grey_picture(grey)[0, 0].astype(float)
    assert_allclose(light, 0.75 * ground + 0.25 * blue, atol=1)
    assert_allclose(other, 0.75 * ground + 0.25 * orange, atol=1)
    assert ["every" in parts.reading(number) for number in range(4)] == holds.tolist()
    # between the lines there is no colour but the ground's
    alone = draw_explanation(found, 64, style=Style(drawing="alone"))
    for picture, between in ((drawn, tuple(ground.astype(int))), (alone, rgb(NEUTRAL))):
        undecided = {tuple(pixel) for pixel in picture[33:, 33:].reshape(-1, 3).tolist()}
        assert undecided == {rgb(UNDECIDED), between}


def test_npz_holds_everything_and_needs_no_pickle(lime):
    with np.load(io.BytesIO(npz_of(lime)), allow_pickle=False) as kept:
        for name in ("image", "values", "undecided"):
            assert_array_equal(kept[name], getattr(lime, name))
        for name in ("regions", "weights", "low", "high", "decisions", "labels"):
            assert_array_equal(kept[name], getattr(lime.parts, name))
        about = json.loads(str(kept["about"]))
    assert about["provenance"] == asdict(lime.provenance)
    assert LimeSettings(**about["settings"]) == lime.settings
    assert about["diagnostics"]["sentence"] == lime.diagnostics.sentence
    assert [about[name] for name in ("verdict", "method", "title")] == [lime.verdict, "lime", "LIME"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["in.png", "--detector", "nobody"], "there is no detector 'nobody'"),
        (["in.png", "--method", "tea"], "there is no method 'tea'; these are known: gradcam"),
        (["in.png", "--set", "gradcam.n_samples=64"], "none of gradcam, lime has a setting 'gradcam.n_samples'"),
        (["in.png", "--set", "layer=layer9"], "layer must be one of layer1"),
        (["text.png"], "not an image"),
    ],
)
def test_what_goes_wrong_is_one_sentence(tmp_path, detector, capsys, arguments, message):
    save_detector(tmp_path / "tiny", detector, model_card="A test's.")
    (tmp_path / "in.png").write_bytes(encode_png(np.zeros((32, 32, 3), np.uint8)))
    (tmp_path / "text.png").write_text("no picture", encoding="utf-8")
    options = [] if "--detector" in arguments else ["--detector", str(tmp_path / "tiny")]
    assert main([str(tmp_path / arguments[0]), *arguments[1:], *options, "--out", str(tmp_path / "out")]) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert len(printed.err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
