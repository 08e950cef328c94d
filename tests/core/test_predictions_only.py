"""Whatever needs no more than predictions can be asked of an ONNX file; the rest says why it cannot."""

import numpy as np
import pytest

from core.commands import explain
from core.detectors.adding import add, build_from
from core.detectors.manifest import Capability
from core.detectors.registry import Request
from core.explainers.lime import LIME
from core.explainers.registry import explainers
from core.explainers.segmentation import segment
from core.images.encoding import encode_png
from core.images.loading import load_image_set
from core.runs.run import read_run
from core.runs.writing import write_run
from core.studies.questions.faithfulness import scores_of
from core.studies.runner import Source, run_study
from core.studies.shared.groups import Cells
from core.studies.store import read_study, study_path
from core.studies.study import STUDIES, find_study
from tests.core.any_detector import ask_studies, pictures, write_set
from tests.core.detectors.made import make_graph
from tests.shared import made_once

NAME = "graph"
# studies that need no maps
ABLE = {name for name in STUDIES if name not in ("files", "neighbours") and "maps" not in find_study(name).needs}
SAID = {"crop": "before", "interpolation": "bilinear", "mean": (0.5, 0.4, 0.6), "std": (0.2, 0.3, 0.25)}


def write_graph_home(home):
    """`graph@set-test` with its pictures, and the ONNX file that made it; half of its verdicts are REAL."""
    data = write_set(home / "set")
    images = load_image_set(data, "test")
    file = home / "graph.onnx"
    request = Request(str(file), classes=("generated", "photo"), fake=("generated",), outputs="logits", preprocess=SAID)
    file.write_bytes(make_graph(outputs=2, scale=20))
    middle = np.median(build_from(request, name=NAME).margins(images.pixels))
    file.write_bytes(make_graph(outputs=2, scale=20, shift=-middle))
    detector = add(home / "detectors" / NAME, request)
    run = write_run(home, detector, images, ship_images=True)
    return Source(run, home / "detectors" / NAME, str(data))


def graph_home(factory):
    """The same with the small studies that it can have, made once for all workers."""

    def make(home):
        ask_studies(write_graph_home(home), sorted(ABLE))

    home = made_once(factory, "graph-home", make)
    return Source(next((home / "runs").iterdir()), home / "detectors" / NAME, str(home / "set"))


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The run, its detector and its images on disk."""
    return graph_home(tmp_path_factory)


@pytest.mark.parametrize("method", explainers(), ids=lambda method: method.name)
def test_every_method_explains_it_or_says_why_not(source, method):
    context = source.open()
    assert context.run.maps is None
    assert context.run.features is None
    assert context.run.target_layer is None
    reason = method.unavailable(context.detector)
    assert ("gives predictions only" in reason) == (method.needs != {Capability.PREDICTIONS})
    assert (method in explainers(context.detector)) == (not reason)


def test_the_command_that_explains_says_why_gradients_are_missing(source, tmp_path, capsys):
    (tmp_path / "image.png").write_bytes(encode_png(pictures(1, fine=True, seed=5)[0]))
    arguments = [str(tmp_path / "image.png"), "--detector", str(source.detector), "--out", str(tmp_path / "out")]
    assert explain.main([*arguments, "--method", "gradcam"]) == 2
    assert "Grad-CAM needs gradients and layers, and this detector gives predictions only" in capsys.readouterr().err
    assert explain.main(arguments) == 0, capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(ABLE))
def test_a_study_of_predictions(source, name):
    answer = read_study(study_path(source.run, name), read_run(source.run))
    assert set(find_study(name).columns) <= set(answer.table)
    assert len(answer.table)


def test_lime_is_judged(source):
    run = read_run(source.run)
    answer = read_study(study_path(source.run, "stability"), run)
    assert answer.table[["lime_kept_rank", "lime_other_rank"]].notna().all(axis=None)
    assert any(finding.key.startswith("lime-") for finding in answer.findings)
    curves = read_study(study_path(source.run, "faithfulness"), run).table.query("method == 'lime'")
    assert curves["area"].notna().all()
    # another image's map, of the same cell, is LIME's too
    context = source.open()
    cells = Cells(run)
    grid = segment(context.pixels[3], method="grid", n_segments=64)
    scores = scores_of(context, cells, 3, grid=grid, passes={}, seed=0)
    other = LIME.explain_fully(context.detector, context.pixels[cells.others(3, 1)[0]]).values * cells.signs[3]
    expected = [other[grid == cell].mean() for cell in range(grid.max() + 1)]
    np.testing.assert_allclose(scores["none", "other"], expected, atol=1e-4)


@pytest.mark.parametrize("name", sorted(set(STUDIES) - ABLE - {"files"}))
def test_what_compares_maps_or_features_says_that_there_are_none(source, name):
    with pytest.raises(ValueError, match="has no layer"):
        run_study(find_study(name), source, images=12)
