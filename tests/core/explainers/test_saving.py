import base64
import html
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from core.detectors.detector import Detector
from core.detectors.storage import save_detector
from core.explain import main, write
from core.explainers.cam import GRADCAM
from core.explainers.drawing import (
    SIZE,
    Style,
    draw_explanation,
    draw_overlay,
    grey_picture,
    npz_of,
    orient,
    save_npz,
    save_png,
    scale_of,
)
from core.explainers.explanation import Explanation
from core.explainers.lime.bands import LIME_BANDS, BandSettings
from core.explainers.lime.regions import LIME, LimeSettings
from core.explainers.probing import ProbeSettings, explain_probes, said
from core.explainers.registry import explainers
from core.findings.numbers import percent
from core.images.decoding import decode
from core.images.encoding import encode_png
from core.images.labels import REAL
from core.images.palette import CLASS_COLOURS, PALETTES, UNDECIDED, rgb
from core.report.explanation import Beside, html_of, save_html
from core.runs.folders import find_detectors, find_named
from core.storage import ContractError
from tests.conftest import make_detector


@pytest.fixture(scope="module")
def detector() -> Detector:
    return make_detector(width=2, seed=1)


@pytest.fixture
def lime(detector: Detector, image: NDArray[np.uint8]) -> Explanation:
    return LIME.explain_fully(detector, image, LimeSettings(n_samples=64, least_share=0.0))


def with_decisions(lime: Explanation, weights: list[float], decisions: list[int], holds: list[bool]) -> Explanation:
    """Four quarters that are decided so."""
    regions = np.add.outer(np.arange(32) // 16 * 2, np.arange(32) // 16).astype(np.int32)
    values, signs = np.array(weights), np.array(decisions, np.int8)
    parts = replace(
        lime.parts, labels=("a",) * 4, weights=values, low=values, high=values, decisions=signs, regions=regions,
        holds=np.array(holds),
    )  # fmt: skip
    return replace(lime, parts=parts, values=values[regions], undecided=(signs == 0)[regions], margin=4.0)


def test_three_states_are_drawn_as_full_colour_light_and_none(lime: Explanation) -> None:
    found = with_decisions(lime, [2.0, 1.0, -2.0, 9.0], [1, 1, -1, 0], [True, False, False, False])
    grey = replace(found, image=np.full((32, 32, 3), 200, np.uint8))
    drawn = draw_explanation(grey, 64, style=Style(opacity=1.0))[..., :3]
    solid, light, other, undecided = drawn[10, 10], drawn[10, 50], drawn[50, 10], drawn[60, 40]
    blue, orange = (np.array(rgb(CLASS_COLOURS[name]), float) for name in ("REAL", "FAKE"))
    # what is undecided sets no scale: 2 is in full colour
    np.testing.assert_allclose(solid, blue, atol=1)
    ground = grey_picture(grey.image)[0, 0].astype(float)
    np.testing.assert_allclose(light, 0.75 * ground + 0.25 * blue, atol=1)
    np.testing.assert_allclose(other, 0.75 * ground + 0.25 * orange, atol=1)
    assert undecided.tolist() in (ground.tolist(), list(rgb(UNDECIDED)))
    assert [found.parts.held(number) for number in range(4)] == [
        " under every fill", " under this fill, but not under all", " under this fill, but not under all", "",
    ]  # fmt: skip


def test_the_page_says_what_a_light_part_is(tmp_path: Path, lime: Explanation) -> None:
    found = with_decisions(lime, [2.0, 1.0, -2.0, 9.0], [1, 1, -1, 0], [True, False, False, False])
    save_html(tmp_path / "page.html", [found], title="light")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "parts in a light tint are not decided alike under every fill." in page
    assert "light: certain under this fill, but not under all<" in page
    readings = re.findall(r"<td>(speaks [^<]*)</td>", page)
    assert sorted(readings) == [
        "speaks for FAKE under this fill, but not under all",
        "speaks for REAL under every fill",
        "speaks for REAL under this fill, but not under all",
    ]


def test_noise_is_not_stretched_to_full_colour(lime: Explanation) -> None:
    found = with_decisions(lime, [0.1, 0.05, -0.1, 0.0], [1, 1, -1, 0], [True, True, True, False])
    # a margin of 4 spread over four segments
    assert scale_of(found) == 1.0
    assert scale_of(replace(found, margin=0.2)) == pytest.approx(0.1)
    assert scale_of(found, Style(scale=7.0)) == 7.0


def test_where_nothing_is_decided_there_is_no_map_but_the_sentence(tmp_path: Path, lime: Explanation) -> None:
    nothing = with_decisions(lime, [0.1, 0.05, -0.1, 0.0], [0, 0, 0, 0], [False] * 4)
    assert not nothing.has_picture
    save_html(tmp_path / "nothing.html", [nothing], title="nothing")
    save_html(tmp_path / "some.html", [lime], title="some")
    pages = [(tmp_path / f"{name}.html").read_text(encoding="utf-8") for name in ("nothing", "some")]
    assert [page.count("LIME, over the grey picture") for page in pages] == [0, 1]
    assert nothing.diagnostics.sentence[:20] in pages[0]


def test_a_picture_of_an_earlier_image_does_not_stay_beside_the_numbers_of_this_one(
    tmp_path: Path, lime: Explanation
) -> None:
    nothing = with_decisions(lime, [0.1, 0.05, -0.1, 0.0], [0, 0, 0, 0], [False] * 4)
    for one, pictures in ((lime, {"lime.png"}), (nothing, set())):
        write(tmp_path, [one], title="any", notes=[], palette="class")
        assert {path.name for path in tmp_path.iterdir()} == {"explanation.html", "lime.npz", *pictures}


def test_npz_holds_everything_and_needs_no_pickle(tmp_path: Path, lime: Explanation) -> None:
    save_npz(tmp_path / "lime.npz", lime)
    with np.load(tmp_path / "lime.npz", allow_pickle=False) as kept:
        for name in ("image", "values", "undecided"):
            np.testing.assert_array_equal(kept[name], getattr(lime, name))
        for name in ("regions", "weights", "low", "high", "decisions", "labels"):
            np.testing.assert_array_equal(kept[name], getattr(lime.parts, name))
        about = json.loads(str(kept["about"]))
    assert about["provenance"]["detector_sha256"] == lime.provenance.detector_sha256
    assert about["provenance"]["seconds"] == lime.provenance.seconds
    assert about["provenance"]["versions"]["lime"]
    assert LimeSettings(**about["settings"]) == lime.settings
    assert about["diagnostics"]["sentence"] == lime.diagnostics.sentence
    assert about["verdict"] == lime.verdict
    assert (about["method"], about["title"]) == ("lime", "LIME")


def test_what_is_made_in_memory_is_what_is_written(tmp_path: Path, lime: Explanation) -> None:
    save_npz(tmp_path / "lime.npz", lime)
    assert npz_of(lime) == (tmp_path / "lime.npz").read_bytes()
    save_html(tmp_path / "page.html", [lime], title="Café", notes=["Cut."])
    assert html_of([lime], title="Café", notes=["Cut."]).encode() == (tmp_path / "page.html").read_bytes()


def test_png_is_the_drawing(tmp_path: Path, lime: Explanation) -> None:
    drawn = draw_explanation(lime, 96)
    save_png(tmp_path / "lime.png", drawn)
    with Image.open(tmp_path / "lime.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), drawn)


def test_a_failed_save_leaves_nothing(tmp_path: Path, lime: Explanation) -> None:
    broken = replace(lime, margin=float("nan"))
    with pytest.raises(ValueError, match="JSON"):
        save_npz(tmp_path / "lime.npz", broken)
    assert list(tmp_path.iterdir()) == []


def test_the_page_needs_nothing_else_and_names_what_matters(
    tmp_path: Path, detector: Detector, image: NDArray[np.uint8], lime: Explanation
) -> None:
    found = [lime, GRADCAM.explain_fully(detector, image)]
    save_html(tmp_path / "page.html", found, title="<script>alert(1)</script>", notes=["Cut & resized."])
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "Cut &amp; resized." in page
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)
    assert "http" not in page
    assert "$" not in page
    assert page.count("data:image/png;base64,") == 5
    assert lime.verdict in page
    assert lime.provenance.detector_sha256 in page
    assert "not the truth" in page
    assert page.count(f"<td>{lime.parts.weights[np.abs(lime.parts.weights).argmax()]:+.2f}</td>") >= 1


def test_an_image_larger_than_the_pictures_of_the_page_loses_nothing(tmp_path: Path, lime: Explanation) -> None:
    side = SIZE + 16
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    nothing = with_decisions(lime, [0.1, 0.05, -0.1, 0.0], [0, 0, 0, 0], [False] * 4)
    save_html(tmp_path / "page.html", [replace(nothing, image=pixels)], title="large")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    (text,) = re.findall(r"data:image/png;base64,([^\"]+)", page)
    np.testing.assert_array_equal(decode(base64.b64decode(text)), pixels)
    assert f"{side} x {side} pixels.</figcaption>" in page


def test_undecided_segments_without_an_interval_are_said_to_be_that(
    tmp_path: Path, detector: Detector, image: NDArray[np.uint8]
) -> None:
    few = LIME.explain_fully(detector, image, LimeSettings(n_samples=4))
    save_html(tmp_path / "page.html", [few], title="few")
    assert "unknown: too few samples" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_drawings_follow_palette_and_scale(detector: Detector, image: NDArray[np.uint8]) -> None:
    result = GRADCAM.explain_fully(detector, image)
    ours, paper = (draw_explanation(result, 32, style=Style(palette, drawing="alone")) for palette in PALETTES)
    assert (ours != paper).any()
    weak = Style(scale=100 * float(np.abs(result.values).max()), drawing="alone")
    faint = draw_explanation(result, 32, style=weak)
    assert faint[..., :3].astype(int).min() > ours[..., :3].astype(int).min()


def test_the_page_s_pictures_are_drawn_as_they_are_asked_for(
    tmp_path: Path, detector: Detector, image: NDArray[np.uint8], lime: Explanation
) -> None:
    cam = GRADCAM.explain_fully(detector, image)
    largest = float(np.abs(cam.values).max())
    style = Style("paper", opacity=0.35, smooth=True, scale=3 * largest)
    save_html(tmp_path / "page.html", [(cam, style), lime], title="x")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    _, over, _, lime_over, _ = (
        decode(base64.b64decode(text)) for text in re.findall(r"data:image/png;base64,([^\"]+)", page)
    )
    values = orient(cam.map, verdict=cam.verdict, palette="paper")
    drawn = draw_overlay(image, values, SIZE, scale=3 * largest, palette="paper", smooth=True, opacity=0.35)
    np.testing.assert_array_equal(over, drawn[..., :3])
    np.testing.assert_array_equal(lime_over, draw_explanation(lime)[..., :3])
    # the bar under it has the scale that it is drawn on
    assert f"{-3 * largest:.2g}<br>" in page
    # segments have edges
    np.testing.assert_array_equal(draw_explanation(lime, style=Style(smooth=True)), draw_explanation(lime))


def test_the_page_has_what_the_screen_has(tmp_path: Path, detector: Detector, image: NDArray[np.uint8]) -> None:
    # a detector that is nearly undecided, so that something flips its verdict
    close = make_detector()
    close.network.fc.bias.data[REAL] -= float(close.margins(image[None])[0]) - 0.002
    cam = GRADCAM.explain_fully(close, image)
    *_, probed = explain_probes(close, image[None], settings=ProbeSettings("x"))
    other = "REAL" if cam.verdict == "FAKE" else "FAKE"
    beside = Beside(other, {"gradcam": "Measured & weighed."}, ["Grad-CAM and LIME: they agree."], probed)
    save_html(tmp_path / "page.html", [cam], title="x", beside=beside)
    page = html.unescape((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert f'<b class="{other}">{other}</b>: a mistake.' in page
    assert "<b>Measured & weighed.</b>" in page
    assert "Grad-CAM and LIME: they agree." in page
    assert probed.sentence in page
    assert page.count(" (margin ") == len(probed.flipping) > 0
    assert all(f"{said(probed, one)}." in page for one in probed.flipping)
    assert percent(max(cam.p_real, 1 - cam.p_real)) in page
    # nobody knows, and nothing else was asked
    save_html(tmp_path / "less.html", [cam], title="x")
    less = (tmp_path / "less.html").read_text(encoding="utf-8")
    assert not any(text in less for text in ("a mistake", ": correct.", "Do they agree", "flips the verdict"))


@pytest.fixture
def folder(tmp_path: Path, detector: Detector) -> Path:
    save_detector(tmp_path / "tiny", detector, model_card="A test's.")
    return tmp_path / "tiny"


def test_the_command_writes_what_the_panels_show(
    tmp_path: Path, folder: Path, image: NDArray[np.uint8], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.png").write_bytes(encode_png(image))
    out = tmp_path / "out"
    options = ["--detector", str(folder), "--set", "n_samples=64", "--set", "least_share=0"]
    assert main([str(tmp_path / "in.png"), *options, "--out", str(out)]) == 0
    assert {path.name for path in out.iterdir()} == {
        "explanation.html", "lime.npz", "lime.png", "gradcam.npz", "gradcam.png",
    }  # fmt: skip
    printed = capsys.readouterr().out
    with np.load(out / "lime.npz") as kept:
        about = json.loads(str(kept["about"]))
        np.testing.assert_array_equal(kept["image"], image)
    assert f"{about['verdict']}, margin {about['margin']:+.2f}" in printed


def test_the_command_takes_any_image_and_says_what_it_did_to_it(
    tmp_path: Path, folder: Path, image: NDArray[np.uint8]
) -> None:
    buffer = io.BytesIO()
    Image.fromarray(image).resize((90, 60)).save(buffer, "JPEG")
    (tmp_path / "wide.jpg").write_bytes(buffer.getvalue())
    out = tmp_path / "out"
    options = [
        "--detector",
        str(folder),
        "--out",
        str(out),
        "--preset",
        "paper",
        "--palette",
        "paper",
        "--set",
        "layer=layer3",
    ]
    assert main([str(tmp_path / "wide.jpg"), *options]) == 0
    page = (out / "explanation.html").read_text(encoding="utf-8")
    assert "90 x 60 pixels" in page
    assert "for the verdict" in page
    with np.load(out / "gradcam.npz") as kept:
        assert kept["values"].shape == (8, 8)
    with np.load(out / "lime.npz") as kept:
        assert json.loads(str(kept["about"]))["settings"] == LimeSettings.paper().model_dump()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.png"], "No such file"),
        (["in.png", "--detector", "nobody"], "there is no detector 'nobody'"),
        (["in.png", "--set", "n_samples=1"], "n_samples must be from 2"),
        (["in.png", "--set", "n_segments=2000"], "1024 pixels"),
        (["in.png", "--method", "tea"], "there is no method 'tea'; these are known: gradcam"),
        (["in.png", "--set", "n_samples"], "--set takes KEY=VALUE"),
        (["in.png", "--set", "gradcam.n_samples=64"], "none of gradcam, lime has a setting 'gradcam.n_samples'"),
        (["in.png", "--set", "lime.fill=pink"], "fill must be one of mean, blur, black, texture"),
        (["in.png", "--set", "layer=layer9"], "layer must be one of layer1"),
        (["in.png", "--preset", "ours"], "has a preset 'ours'"),
        (["text.png"], "not an image"),
    ],
)
def test_what_goes_wrong_is_one_sentence(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    (tmp_path / "in.png").write_bytes(encode_png(np.zeros((32, 32, 3), np.uint8)))
    (tmp_path / "text.png").write_text("no picture", encoding="utf-8")
    options = [] if "--detector" in arguments else ["--detector", str(folder)]
    assert main([str(tmp_path / arguments[0]), *arguments[1:], *options, "--out", str(tmp_path / "out")]) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert len(printed.err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_detector_is_found_by_its_folder_too(folder: Path) -> None:
    assert find_named(str(folder), find_detectors(), "detector") == folder
    with pytest.raises(ContractError, match="there is no detector"):
        find_named(str(folder.parent / "other"), find_detectors(), "detector")


def test_any_method_can_be_asked_for_with_its_own_settings(
    tmp_path: Path, folder: Path, image: NDArray[np.uint8], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.png").write_bytes(encode_png(image))
    out = tmp_path / "out"
    options = ["--detector", str(folder), "--out", str(out), "--set", "n_samples=64", "--set", "lime_grid.n_samples=32"]
    options += ["--set", "lime_grid.cells=3", "--set", "least_share=0"]
    methods = [text for name in ("lime_grid", "lime_bands", "integrated_gradients") for text in ("--method", name)]
    assert main([str(tmp_path / "in.png"), *options, *methods]) == 0
    # bands have no place, and so no picture
    assert {path.name for path in out.iterdir()} == {
        "explanation.html", "lime_grid.npz", "lime_grid.png", "lime_bands.npz", "integrated_gradients.npz",
        "integrated_gradients.png",
    }  # fmt: skip
    for name, samples in (("lime_grid", 32), ("lime_bands", 64)):
        with np.load(out / f"{name}.npz") as kept:
            assert json.loads(str(kept["about"]))["settings"]["n_samples"] == samples
    printed = capsys.readouterr().out
    assert "LIME on kinds of detail: " in printed
    assert "kinds of detail are undecided" in printed
    page = (out / "explanation.html").read_text(encoding="utf-8")
    for title in ("LIME on a grid", "LIME on kinds of detail", "Integrated Gradients"):
        assert f"<h2>{title}</h2>" in page
    # a map is drawn twice, bands are a table
    assert page.count("data:image/png;base64,") == 1 + 2 + 2
    assert "Mean colour" in page


def test_the_page_of_parts_without_a_place_is_their_table(
    tmp_path: Path, detector: Detector, image: NDArray[np.uint8]
) -> None:
    explanation = LIME_BANDS.explain_fully(detector, image, BandSettings(n_samples=64))
    save_html(tmp_path / "page.html", [explanation], title="bands")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<details open>" in page
    assert "<th>Pixels</th>" not in page
    strongest = int(np.abs(explanation.parts.weights).argmax())
    assert f"<td>{explanation.parts.labels[strongest]}</td>" in page


def test_the_list_shows_every_method_and_its_settings_and_needs_no_image(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    printed = capsys.readouterr().out
    for explainer in explainers():
        assert f"{explainer.name}: {explainer.title}. {explainer.sentence}" in printed
    assert "n_samples (from 2 to 5000, 256 by default): Samples. " in printed
    assert "preset paper" in printed
    with pytest.raises(SystemExit, match="2"):
        main([])
    assert "say which IMAGE" in capsys.readouterr().err
