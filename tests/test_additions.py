"""What CONTRIBUTING.md promises: an explainer, a probe or a layout is one definition and one line in its registry."""

import numpy as np
import pandas as pd
import pytest

from core.commands.explain import main
from core.explainers.registry import EXPLAINERS, explainers
from core.images import sources
from core.images.encoding import encode_png
from core.images.layout import Entry, Pictures
from core.images.loading import load_image_set
from core.perturbations.flips import flipping, summarise_flips, tabulate_changes
from core.perturbations.probe import Probe, Strength, size_column
from core.perturbations.registry import PROBES, probe_columns, probe_pictures
from dashboard.components.dial import EXPERIMENTS
from tests.conftest import textured
from tests.core.explainers import test_registry
from tests.core.explainers.toy import BRIGHT


@pytest.fixture
def bright(monkeypatch):
    monkeypatch.setitem(EXPLAINERS, "bright", "tests.core.explainers.toy:BRIGHT")
    return BRIGHT


def test_an_explainer_needs_one_line(bright, tmp_path, capsys, monkeypatch):
    assert bright in explainers()
    # the promises of every method hold for it too, with no list to add it to
    for kind in ("the paper's", "plain"):
        test_registry.test_every_method_keeps_its_promises("bright", kind)
    image = tmp_path / "image.png"
    image.write_bytes(encode_png(textured(1, fine=True, seed=1)[0]))
    assert main(["--list"]) == 0
    assert "bright: Brightness." in capsys.readouterr().out
    out = tmp_path / "out"
    assert main([str(image), "--detector", "sample", "--method", "bright", "--set", "grey=9", "--out", str(out)]) == 0
    assert {file.name for file in out.iterdir()} == {"explanation.html", "bright.npz", "bright.png"}
    assert "Middle grey: 9" in (out / "explanation.html").read_text()


def test_a_probe_needs_one_line(monkeypatch):
    whole = Strength("whole", "the whole image", 1)
    mirror = Probe("mirror", "geometry", "Mirroring", "Mirrored.", (whole,), lambda batch, _: batch.pixels[:, :, ::-1])
    assert [probe.key for probe in EXPERIMENTS] == [key for key, probe in PROBES.items() if probe.dial is not None]
    monkeypatch.setitem(PROBES, "mirror", mirror)
    probe_columns.cache_clear()
    try:
        image = textured(1, fine=True, seed=1)[0]
        pictures = probe_pictures(image, name="any")
        np.testing.assert_array_equal(pictures["mirror_whole"], image[:, ::-1])
        # of all changes it alone flips the verdict
        margins = dict.fromkeys(probe_columns(), 2.0) | {"mirror_whole": -1.0}
        sizes = dict.fromkeys(probe_columns(), 3.0)
        assert list(flipping(tabulate_changes(margins, sizes, 1.0)).index) == ["mirror_whole"]
        named = {size_column(column): size for column, size in sizes.items()}
        summary = summarise_flips(pd.DataFrame([margins]), pd.DataFrame([named]), np.array([True]))
        assert summary["smallest_flip_probe"].tolist() == ["mirror"]
    finally:
        probe_columns.cache_clear()


def test_a_layout_needs_one_line(tmp_path, monkeypatch):
    def by_prefix(files, _):
        entries = [Entry(*file, label=file.name[:4].upper(), source="camera") for file in files.listing]
        return Pictures([("test", entry) for entry in entries])

    monkeypatch.setattr(sources, "LAYOUTS", {"pictures named real or fake": by_prefix, **sources.LAYOUTS})
    for name, image in zip(("real-1.png", "fake-1.png"), textured(2, fine=True, seed=1), strict=True):
        (tmp_path / name).write_bytes(encode_png(image))
    rows = load_image_set(tmp_path, "test").rows
    assert dict(zip(rows["name"], rows["label"], strict=True)) == {"fake-1.png": 0, "real-1.png": 1}
    assert set(rows["source"]) == {"camera"}
