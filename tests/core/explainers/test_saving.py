import base64
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
from core.explain import find_detector, main
from core.explainers.gradcam import explain_gradcam, explain_margin_map
from core.explainers.lime.regions import explain_lime_fully
from core.explainers.overlay import draw_overlay, orient
from core.explainers.results import LimeResult, LimeSettings
from core.explainers.saving import SIZE, Style, draw_result, save_npz, save_png
from core.images.decoding import decode, encode_png
from core.images.palette import PALETTES
from core.report.explanation import save_html
from core.system.folders import ContractError
from tests.conftest import make_detector


@pytest.fixture(scope="module")
def detector() -> Detector:
    return make_detector(width=2, seed=1)


@pytest.fixture
def lime(detector: Detector, image: NDArray[np.uint8]) -> LimeResult:
    return explain_lime_fully(detector, image, settings=LimeSettings(n_samples=64))


def test_npz_holds_everything_and_needs_no_pickle(tmp_path: Path, lime: LimeResult) -> None:
    save_npz(tmp_path / "lime.npz", lime)
    with np.load(tmp_path / "lime.npz", allow_pickle=False) as kept:
        for name in ("image", "segments", "weights", "low", "high", "decisions"):
            np.testing.assert_array_equal(kept[name], getattr(lime, name))
        about = json.loads(str(kept["about"]))
    assert about["detector_sha256"] == lime.detector_sha256
    assert about["settings"]["seed"] == lime.settings.seed
    assert about["health"]["sentence"] == lime.health.sentence
    assert about["seconds"] == lime.seconds
    assert about["verdict"] == lime.verdict
    assert about["kind"] == "LimeResult"


def test_png_is_the_drawing(tmp_path: Path, lime: LimeResult) -> None:
    drawn = draw_result(lime, 96)
    save_png(tmp_path / "lime.png", drawn)
    with Image.open(tmp_path / "lime.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), drawn)


def test_a_failed_save_leaves_nothing(tmp_path: Path, lime: LimeResult) -> None:
    broken = replace(lime, value=float("nan"))
    with pytest.raises(ValueError, match="JSON"):
        save_npz(tmp_path / "lime.npz", broken)
    assert list(tmp_path.iterdir()) == []


def test_the_page_needs_nothing_else_and_names_what_matters(
    tmp_path: Path, detector: Detector, image: NDArray[np.uint8], lime: LimeResult
) -> None:
    results = {"LIME": lime, "Grad-CAM": explain_gradcam(detector, image[None])[0]}
    save_html(tmp_path / "page.html", results, title="<script>alert(1)</script>", notes=["Cut & resized."])
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "Cut &amp; resized." in page
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)
    assert "http" not in page
    assert "$" not in page
    assert page.count("data:image/png;base64,") == 5
    assert lime.verdict in page
    assert lime.detector_sha256 in page
    assert "sampling error" not in page or "truth" in page
    assert page.count(f"<td>{lime.weights[np.abs(lime.weights).argmax()]:+.3f}</td>") >= 1


def test_undecided_segments_without_an_interval_are_said_to_be_that(
    tmp_path: Path, detector: Detector, image: NDArray[np.uint8]
) -> None:
    few = explain_lime_fully(detector, image, settings=LimeSettings(n_samples=4))
    save_html(tmp_path / "page.html", {"LIME": few}, title="few")
    assert "unknown: too few samples" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_drawings_follow_palette_and_scale(detector: Detector, image: NDArray[np.uint8]) -> None:
    result = explain_margin_map(detector, image[None])[0]
    ours, paper = (draw_result(result, 32, style=Style(palette), over_image=False) for palette in PALETTES)
    assert (ours != paper).any()
    faint = draw_result(result, 32, style=Style(scale=100 * float(np.abs(result.values).max())), over_image=False)
    assert faint[..., :3].astype(int).min() > ours[..., :3].astype(int).min()


def test_the_page_s_pictures_are_drawn_as_they_are_asked_for(
    tmp_path: Path, detector: Detector, image: NDArray[np.uint8], lime: LimeResult
) -> None:
    cam = explain_gradcam(detector, image[None])[0]
    largest = float(np.abs(cam.values).max())
    style = Style("paper", opacity=0.35, smooth=True, scale=3 * largest)
    save_html(tmp_path / "page.html", {"Grad-CAM": cam, "LIME": lime}, title="x", styles={"Grad-CAM": style})
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    _, over, _, lime_over, _ = (
        decode(base64.b64decode(text)) for text in re.findall(r"data:image/png;base64,([^\"]+)", page)
    )
    values = orient(cam.values, toward=cam.toward, verdict=cam.verdict, palette="paper")
    drawn = draw_overlay(image, values, SIZE, scale=3 * largest, palette="paper", smooth=True, opacity=0.35)
    np.testing.assert_array_equal(over, drawn[..., :3])
    np.testing.assert_array_equal(lime_over, draw_result(lime)[..., :3])
    # the bar under it has the scale that it is drawn on
    assert f"{-3 * largest:.3g}<br>" in page
    # segments have edges
    np.testing.assert_array_equal(draw_result(lime, style=Style(smooth=True)), draw_result(lime))


@pytest.fixture
def folder(tmp_path: Path, detector: Detector) -> Path:
    save_detector(tmp_path / "tiny", detector, model_card="A test's.")
    return tmp_path / "tiny"


def test_the_command_writes_what_the_panels_show(
    tmp_path: Path, folder: Path, image: NDArray[np.uint8], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.png").write_bytes(encode_png(image))
    out = tmp_path / "out"
    assert main([str(tmp_path / "in.png"), "--detector", str(folder), "--out", str(out), "--samples", "64"]) == 0
    assert {path.name for path in out.iterdir()} == {
        "explanation.html", "lime.npz", "lime.png", "grad-cam.npz", "grad-cam.png", "margin-map.npz", "margin-map.png",
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
    options = ["--detector", str(folder), "--out", str(out), "--paper", "--palette", "paper", "--stage", "layer3"]
    assert main([str(tmp_path / "wide.jpg"), *options]) == 0
    page = (out / "explanation.html").read_text(encoding="utf-8")
    assert "90 x 60 pixels" in page
    assert "for the verdict" in page
    with np.load(out / "grad-cam.npz") as kept:
        assert kept["values"].shape == (8, 8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.png"], "No such file"),
        (["in.png", "--detector", "nobody"], "there is no detector 'nobody'"),
        (["in.png", "--samples", "1"], "n_samples must be from 2"),
        (["in.png", "--segments", "2000"], "1024 pixels"),
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
    assert find_detector(str(folder)) == folder
    with pytest.raises(ContractError, match="there is no detector"):
        find_detector(str(folder.parent / "other"))
