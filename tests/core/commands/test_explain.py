"""`python -m core explain IMAGE`: how a picture is read."""

from pathlib import Path

import numpy as np
import pytest

from core.commands.explain import main
from core.detectors.storage import load_detector
from core.explain import explain_image
from core.images.decoding import ImageError
from core.images.encoding import encode_png
from core.images.preprocessing import prepare_pixels
from tests.conftest import make_detector, textured


def test_the_verdict_is_counted_under_every_filter(tmp_path, capsys):
    picture = textured(1, fine=True, seed=3)[0].repeat(3, axis=0).repeat(3, axis=1)
    (tmp_path / "picture.png").write_bytes(encode_png(picture))
    assert main([str(tmp_path / "picture.png"), "--detector", "paper", "--device", "cpu"]) == 0
    detector = load_detector(Path("assets/detectors/paper"), device="cpu")
    ready = prepare_pixels(picture, detector.preprocessing)
    margins = dict(zip(ready.filters, detector.margins(ready.pixels), strict=True))
    own = margins[detector.preprocessing.interpolation]
    others = sum((margin > 0) != (own > 0) for margin in margins.values())
    opposite = "FAKE" if own > 0 else "REAL"
    (p_real,) = detector.p_real(own[None])
    verdict = f"{'REAL' if own > 0 else 'FAKE'}, margin {own:+.2f} (logits; above 0 is REAL), p_real {p_real:.3f}"
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("picture.png: Out of scope. ")
    assert second.endswith(f"{verdict}, {opposite} under {others} of 6 filters")


@pytest.mark.parametrize(
    "image, sentence",
    [
        (np.zeros((32, 32, 3)), "holds float64; give uint8"),
        (np.zeros((32, 32), np.uint8), r"shape \(32, 32\); give \(height, width, 3\)"),
        (np.zeros((3, 32, 32), np.uint8), "shape"),
        (np.zeros((32, 32, 4), np.uint8), "shape"),
        (np.zeros((0, 32, 3), np.uint8), "shape"),
    ],
)
def test_an_array_that_is_no_image_is_a_sentence(image, sentence):
    with pytest.raises(ImageError, match=sentence):
        explain_image(make_detector(), image, "gradcam")
