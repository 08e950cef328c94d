import subprocess
import sys

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from core.explainers.drawing import (
    STEPS,
    common_scale,
    draw_edges,
    draw_image,
    draw_map,
    draw_outline,
    draw_overlay,
    grey_picture,
    legend,
    orient,
)
from core.images.palette import CLASS_COLOURS, ENDS, NEUTRAL, PALETTES, UNDECIDED, Palette, rgb

MAP = np.arange(16, dtype=np.float32).reshape(4, 4) - 5


def test_arrays_in_arrays_out_without_torch() -> None:
    code = (
        "import sys, core.images.palette, core.explainers.drawing, core.explainers.agreement, core.report.explanation;"
        "sys.exit('torch' in sys.modules or 'streamlit' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("size", [32, 320, 333, 20])
def test_pixels_stay_crisp_at_any_size(size: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    drawn = draw_image(image, size)
    assert drawn.shape == (size, size, 4)
    assert (drawn[..., 3] == 255).all()
    shown = {tuple(pixel) for pixel in drawn[..., :3].reshape(-1, 3)}
    assert shown <= {tuple(pixel) for pixel in image.reshape(-1, 3)}
    for row in (0, size // 3, size - 1):
        for column in (0, size // 2, size - 1):
            assert tuple(drawn[row, column, :3]) == tuple(image[row * 32 // size, column * 32 // size])


@pytest.mark.parametrize("palette", PALETTES)
def test_the_middle_is_neutral_and_the_ends_are_the_palettes(palette: Palette) -> None:
    drawn = draw_map(np.array([[-2.0, 0.0, 2.0]] * 3), 3, palette=palette)[0, :, :3]
    negative, positive = ENDS[palette]
    assert tuple(drawn[1]) == rgb(NEUTRAL)
    assert np.abs(drawn[0].astype(int) - rgb(negative)).max() <= 1
    assert np.abs(drawn[2].astype(int) - rgb(positive)).max() <= 1
    assert ENDS["class"] == (CLASS_COLOURS["FAKE"], CLASS_COLOURS["REAL"])


@pytest.mark.parametrize("palette", PALETTES)
def test_equal_steps_look_equally_large_and_both_sides_equally_dark(palette: Palette) -> None:
    shares = np.linspace(-1, 1, 2 * STEPS // 8 + 1)
    row = draw_map(np.tile(shares, (len(shares), 1)), len(shares), palette=palette)[0, :, :3]
    lab = rgb2lab(row / 255)
    steps = deltaE_ciede2000(lab[:-1], lab[1:])
    for side in (steps[: len(steps) // 2], steps[len(steps) // 2 :]):
        assert side.std() < 0.2 * side.mean()
    lightness = lab[:, 0]
    assert (np.diff(lightness[len(shares) // 2 :]) < 0).all()
    assert (np.diff(lightness[: len(shares) // 2 + 1]) > 0).all()
    np.testing.assert_allclose(lightness, lightness[::-1], atol=4)


def test_class_colours_are_equally_light_and_told_apart_without_red_or_green_cones() -> None:
    colours = np.array([rgb(CLASS_COLOURS[name]) for name in ("REAL", "FAKE")]) / 255
    lab = rgb2lab(colours)
    assert abs(lab[0, 0] - lab[1, 0]) < 2
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    # Vienot, Brettel and Mollon 1999: what protanopes and deuteranopes see
    for matrix in (
        [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
        [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
    ):
        seen = np.clip(linear @ np.array(matrix).T, 0, 1)
        seen = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
        assert deltaE_ciede2000(*rgb2lab(seen)) > 40


def test_native_shows_that_4_by_4_is_4_by_4_and_smooth_does_not() -> None:
    native = draw_map(MAP, 64)
    blocks = native.reshape(4, 16, 4, 16, 4)
    assert (blocks == blocks[:, :1, :, :1]).all()
    assert len(np.unique(native.reshape(-1, 4), axis=0)) == 16
    smooth = draw_map(MAP, 64, smooth=True)
    assert len(np.unique(smooth.reshape(-1, 4), axis=0)) > 40


def test_a_map_is_never_stretched_to_both_ends() -> None:
    positive = draw_map(np.full((4, 4), 3.0) + MAP / 100, 4)
    assert (positive[..., 2] > positive[..., 0]).all(), "only blue where every value is positive"
    np.testing.assert_array_equal(draw_map(np.zeros((4, 4)), 4)[..., :3], np.broadcast_to(rgb(NEUTRAL), (4, 4, 3)))


def test_one_scale_makes_panels_comparable() -> None:
    strong, weak = np.array([[4.0, -1.0]] * 2), np.array([[1.0, 0.0]] * 2)
    scale = common_scale([strong, weak])
    assert scale == 4
    np.testing.assert_array_equal(draw_map(weak, 2, scale=scale)[0, 0], draw_map(-strong, 2, scale=scale)[0, 1])
    assert common_scale([]) == 0
    # what is beyond the scale is drawn full and not wrapped
    np.testing.assert_array_equal(draw_map(strong, 2, scale=0.5)[0, 0], draw_map(strong, 2)[0, 0])


def test_an_overlay_is_the_grey_picture_where_the_map_is_zero_and_mixed_where_it_is_not() -> None:
    image = np.full((32, 32, 3), (200, 100, 50), np.uint8)
    grey = float(grey_picture(image)[0, 0, 0])
    assert (grey_picture(image) == grey).all(), "no colour but the map's"
    values = np.zeros((32, 32))
    values[:, 16:] = -1
    drawn = draw_overlay(image, values, 64, opacity=0.5)
    np.testing.assert_array_equal(drawn[:, :32, :3], grey)
    expected = np.rint(grey / 2 + np.array(rgb(CLASS_COLOURS["FAKE"])) / 2)
    np.testing.assert_allclose(drawn[0, 63, :3], expected, atol=1)
    assert (drawn[..., 3] == 255).all()
    np.testing.assert_array_equal(draw_overlay(image, values, 64, opacity=0), draw_image(grey_picture(image), 64))


def test_undecided_is_hatched_in_grey_and_what_is_decided_is_not() -> None:
    undecided = np.zeros((32, 32), bool)
    undecided[:16] = True
    plain, hatched = draw_map(np.ones((32, 32)), 64), draw_map(np.ones((32, 32)), 64, undecided=undecided)
    np.testing.assert_array_equal(hatched[32:], plain[32:])
    shown = {tuple(pixel) for pixel in hatched[:32, :, :3].reshape(-1, 3)}
    assert shown == {rgb(UNDECIDED), rgb(NEUTRAL)}
    over = draw_overlay(np.full((32, 32, 3), 200, np.uint8), np.ones((32, 32)), 64, undecided=undecided)
    assert (over[:32] == (*rgb(UNDECIDED), 255)).all(axis=2).mean() > 0.1
    # between the lines there is the picture, without any colour
    grey = tuple(grey_picture(np.full((1, 1, 3), 200, np.uint8))[0, 0])
    assert {tuple(pixel) for pixel in over[:32, :, :3].reshape(-1, 3)} == {rgb(UNDECIDED), grey}


def test_grey_keeps_the_order_of_luma_and_leaves_room_at_both_ends() -> None:
    colours = np.array([[[0, 0, 0], [0, 0, 255], [255, 0, 0], [0, 255, 0], [255, 255, 255]]], np.uint8)
    greys = grey_picture(colours)[0, :, 0].astype(int)
    expected = [sum(share * part for share, part in zip((0.299, 0.587, 0.114), one, strict=True)) for one in colours[0]]
    assert (np.diff(greys) > 0).all()
    np.testing.assert_allclose(np.interp(greys, (greys[0], greys[-1]), (0, 255)), expected, atol=1)
    # a full map is seen on the darkest and on the lightest picture
    for ground in colours[:, [0, -1]].reshape(2, 1, 1, 3):
        for value in (1.0, -1.0):
            plain, over = (
                draw_overlay(ground, np.array([[value]]), 1, opacity=opacity)[..., :3] for opacity in (0, 0.7)
            )
            assert deltaE_ciede2000(*(rgb2lab(one / 255) for one in (plain, over)))[0, 0] > 25


def test_an_outline_encloses_the_strongest_quarter_in_the_colour_of_its_sign() -> None:
    image = np.full((32, 32, 3), (10, 200, 30), np.uint8)
    values = np.zeros((8, 8))
    values[:2, :4], values[6:, 4:], values[3] = 3.0, -2.0, 0.1
    drawn = draw_outline(image, values, 256)
    changed = (drawn != draw_image(image, 256)).any(axis=2)
    strong = np.zeros((256, 256), bool)
    strong[:64, :128] = strong[192:, 128:] = True
    # on the inside of both places, at the picture's edge too, and nowhere else
    assert not changed[~strong].any()
    assert changed[0, :128].all()
    assert changed[255, 128:].all()
    assert not changed[20:40, 20:100].any()
    assert tuple(drawn[0, 0, :3]) == rgb(CLASS_COLOURS["REAL"])
    assert tuple(drawn[255, 255, :3]) == rgb(CLASS_COLOURS["FAKE"])
    np.testing.assert_array_equal(draw_outline(image, np.zeros((8, 8)), 64), draw_image(image, 64))


def test_edges_lie_between_segments_only() -> None:
    segments = np.repeat(np.arange(2), 16)[None].repeat(32, axis=0)
    ground = draw_map(np.zeros((32, 32)), 64)
    lined = draw_edges(ground, segments)
    changed = (lined != ground).any(axis=2)
    assert changed[:, 32].all()
    assert changed.sum() == 64


def test_orient_turns_to_real_or_to_the_verdict() -> None:
    for verdict, palette, sign in (
        ("FAKE", "class", 1),
        ("REAL", "class", 1),
        ("FAKE", "paper", -1),
        ("REAL", "paper", 1),
    ):
        np.testing.assert_array_equal(orient(MAP, verdict=verdict, palette=palette), sign * MAP)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="palette must be one of"):
        orient(MAP, verdict="REAL", palette="jet")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="palette must be one of"):
        draw_map(MAP, 8, palette="jet")  # type: ignore[arg-type]


def test_the_legend_is_the_colours_that_are_drawn() -> None:
    bar = legend(2.5, palette="class", unit="margin")
    assert bar.ticks == (-2.5, 0, 2.5)
    assert bar.labels == ("speaks for FAKE", "speaks for REAL")
    shares = np.linspace(-1, 1, len(bar.colours))
    row = draw_map(np.tile(shares, (len(shares), 1)), len(shares))[0, :, :3]
    assert [rgb(colour) for colour in bar.colours] == [tuple(pixel) for pixel in row.tolist()]


def test_values_that_are_no_numbers_are_drawn_as_nothing() -> None:
    values = np.array([[np.nan, 1.0]] * 2)
    assert tuple(draw_map(values, 2, scale=1)[0, 0, :3]) == rgb(NEUTRAL)
    assert common_scale([np.array([[np.nan, 1.0]])]) == 1
