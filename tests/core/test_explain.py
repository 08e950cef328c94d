"""`python -m core explain IMAGE --json`: how a picture is read."""

from pathlib import Path

import pytest

from core import explain
from core.detectors.storage import load_detector
from core.images.encoding import encode_png
from core.images.preprocessing import prepare_pixels
from tests.conftest import textured


def test_without_options_the_verdict_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = textured(1, fine=True, seed=3)[0].repeat(3, axis=0).repeat(3, axis=1)
    (tmp_path / "picture.png").write_bytes(encode_png(picture))
    assert explain.main([str(tmp_path / "picture.png"), "--detector", "paper", "--device", "cpu"]) == 0
    detector = load_detector(Path("assets/detectors/paper"), device="cpu")
    ready = prepare_pixels(picture, detector.preprocessing)
    margins = dict(zip(ready.filters, detector.margins(ready.pixels), strict=True))
    own = margins[detector.preprocessing.interpolation]
    others = sum((margin > 0) != (own > 0) for margin in margins.values())
    opposite = "FAKE" if own > 0 else "REAL"
    (p_real,) = detector.p_real(own[None])
    verdict = f"picture.png: {'REAL' if own > 0 else 'FAKE'}, margin {own:+.2f} (logits; above 0 is REAL)"
    line = f"{verdict}, p_real {p_real:.3f}, {opposite} under {others} of 6 filters"
    assert capsys.readouterr().out.startswith(line)
