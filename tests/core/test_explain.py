"""`python -m core explain IMAGE --json`: how a picture is read."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core import explain
from core.detectors.storage import load_detector
from core.images.encoding import encode_png
from core.images.preprocessing import Preprocessing, prepare_pixels
from tests.conftest import textured


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        (Preprocessing(32, 40, "after", "bilinear"), "cut to a square and resized to 32 x 32 (bilinear)"),
        (Preprocessing(32, crop="none", interpolation="box"), "stretched to 32 x 32 (box)"),
    ],
)
def test_a_picture_is_read_as_the_detectors_preprocessing_makes_it(steps: Preprocessing, told: str) -> None:
    picture = np.concatenate([textured(1, fine=True, seed=3)[0]] * 2).repeat(3, axis=0).repeat(4, axis=1)
    pixels, (note,) = explain.see(prepare_pixels(picture, steps))
    np.testing.assert_array_equal(pixels, steps.fit(picture))
    assert note.startswith(f"The file has 128 x 192 pixels. The image was {told}. The choice")
    other, _ = explain.see(prepare_pixels(picture, steps), "lanczos")
    np.testing.assert_array_equal(other, replace(steps, interpolation="lanczos").fit(picture))
    assert bool(explain.see(prepare_pixels(picture[:32, :32], steps))[1]) == (steps.crop == "after")


def test_a_judgement_is_of_every_filter_so_none_can_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        explain.main(["picture.png", "--json", "--resampling", "box"])
    assert "leave out --resampling" in capsys.readouterr().err


def test_without_options_the_verdict_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = textured(1, fine=True, seed=3)[0].repeat(3, axis=0).repeat(3, axis=1)
    (tmp_path / "picture.png").write_bytes(encode_png(picture))
    assert explain.main([str(tmp_path / "picture.png"), "--detector", "paper", "--device", "cpu"]) == 0
    detector = load_detector(Path("assets/detectors/paper"), device="cpu")
    ready = prepare_pixels(picture, detector.preprocessing)
    margins = dict(zip(ready.filters, detector.margins(ready.pixels), strict=True))
    own = margins[detector.preprocessing.interpolation]
    others = sum((margin > 0) != (own > 0) for margin in margins.values())
    line = f"picture.png: {'REAL' if own > 0 else 'FAKE'}, margin {own:+.2f}, the other verdict under {others} of 6"
    assert capsys.readouterr().out.startswith(line)
