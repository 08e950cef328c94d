"""`python -m core explain IMAGE`: how a picture is read."""

from pathlib import Path

import numpy as np
import pytest

from core.answers import ordinary
from core.answers.judgement import Count
from core.answers.ordinary import Rates
from core.commands.explain import main
from core.detectors.storage import load_detector, save_detector
from core.explain import explain_image
from core.images.decoding import ImageError
from core.images.encoding import encode_png
from core.images.preprocessing import prepare_pixels
from tests.conftest import make_detector, saved, textured
from tests.core.detectors.test_ferretnet import make_detector as make_ferret

PICTURE = textured(1, fine=True, seed=3)[0].repeat(3, axis=0).repeat(4, axis=1)


def test_the_verdict_is_counted_under_every_filter(tmp_path, capsys):
    (tmp_path / "picture.png").write_bytes(encode_png(PICTURE))
    assert main([str(tmp_path / "picture.png"), "--detector", "paper", "--device", "cpu"]) == 0
    detector = load_detector(Path("assets/detectors/paper"), device="cpu")
    ready = prepare_pixels(PICTURE, detector.preprocessing)
    margins = dict(zip(ready.filters, detector.margins(ready.pixels), strict=True))
    own = margins[detector.preprocessing.interpolation]
    others = sum((margin > 0) != (own > 0) for margin in margins.values())
    opposite = "FAKE" if own > 0 else "REAL"
    (p_real,) = detector.p_real(own[None])
    verdict = f"{'REAL' if own > 0 else 'FAKE'}, margin {own:+.2f} (logits; above 0 is REAL), p_real {p_real:.3f}"
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("picture.png: Out of scope. ")
    assert second.endswith(f"{verdict}, {opposite} under {others} of 6 filters")


@pytest.mark.parametrize("as_json", [False, True])
def test_an_ordinary_picture_is_judged_by_the_rates_of_its_kind_of_file(tmp_path, capsys, monkeypatch, as_json):
    detector = make_ferret()
    detector.manifest = {"name": "ferret"}
    save_detector(tmp_path / "detectors" / "ferret", detector, model_card="")
    margin = float(detector.margins(detector.preprocessing.fit(PICTURE)[None])[0])
    found = Count(hits=9, images=10, sources=5)
    accused = Count(hits=1, images=70, sources=5)
    rates = Rates(margin=margin + 1, generated=found, photographs=accused)
    about = {"lossless": rates}
    monkeypatch.setattr(ordinary, "measured", lambda: {detector.identity.weights_sha256: about})
    answers = {}
    for kind, options in {"PNG": {}, "JPEG": {"quality": 80}}.items():
        (tmp_path / kind).write_bytes(saved(PICTURE, kind, **options))
        command = [str(tmp_path / kind), "--detector", str(tmp_path / "detectors" / "ferret"), "--device", "cpu"]
        assert main(command + ["--json"] * as_json) == 0
        answers[kind] = capsys.readouterr().out
    assert "Signs found" in answers["PNG"]
    assert "9 of 10" in answers["PNG"]
    assert "Cannot tell" in answers["JPEG"]


@pytest.mark.parametrize(
    "shape, dtype",
    [((32, 32, 3), "float64"), ((32, 32), "uint8"), ((3, 32, 32), "uint8"), ((0, 32, 3), "uint8")],
)
def test_an_array_that_is_no_image_is_a_sentence(shape, dtype):
    with pytest.raises(ImageError, match=rf"the image is {dtype} \({', '.join(map(str, shape))}\); give uint8"):
        explain_image(make_detector(), np.zeros(shape, dtype), "gradcam")
