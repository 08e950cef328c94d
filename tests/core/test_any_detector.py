"""Whatever is asked of a detector can be asked of one that the project does not know: 48 x 48 pixels, one output."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from core.runs.run import read_run
from core.studies.runner import Source
from core.studies.store import read_study, study_path
from core.studies.study import STUDIES, Context
from tests.core.any_detector import plain_kind, source_of, write_studies
from tests.shared import made_once


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    """The run, its detector, its images on disk, and every study of it."""
    with plain_kind():
        yield source_of(made_once(tmp_path_factory, "any-detector", write_studies))


@pytest.fixture
def context(source: Source) -> Context:
    """The same, opened."""
    return source.open()


def test_its_margin_is_minus_the_logit_of_the_fake_class(context: Context) -> None:
    detector = context.detector
    shift, scale = (torch.tensor(values).view(1, 3, 1, 1) for values in ((0.5, 0.4, 0.6), (0.2, 0.3, 0.25)))
    inputs = (torch.from_numpy(np.array(context.pixels)).permute(0, 3, 1, 2) / 255 - shift) / scale
    with torch.no_grad():
        logits = detector.network(inputs)[:, 0].numpy()
    np.testing.assert_allclose(detector.margins(context.pixels), -logits, atol=1e-4)
    np.testing.assert_allclose(context.run.predictions["p_real"], 1 / (1 + np.exp(logits)), atol=1e-5)
    assert set(context.run.predictions["predicted"]) == {"FAKE", "REAL"}


def test_its_map_is_the_gradients_of_the_margin_times_the_activations(context: Context) -> None:
    """By finite differences: each channel of the last layer is raised a little everywhere."""
    detector, image = context.detector, context.pixels[:1]
    found = detector.full_pass(image)
    third, activations = detector.network.third, []
    handle = third.register_forward_hook(lambda _module, _inputs, output: activations.append(output.double()))
    with torch.no_grad():
        detector.network(detector.inputs(image))
    handle.remove()
    (activation,) = activations
    head, expected = detector.network.head.double(), torch.zeros(8, 6, dtype=torch.float64)
    with torch.no_grad():
        for channel, row, column in np.ndindex(activation.shape[1:]):
            moved = []
            for step in (-1e-5, 1e-5):
                raised = activation.clone()
                raised[0, channel, row, column] += step
                moved.append(-head(raised.relu().mean(dim=(2, 3)))[0, 0])
            expected += (moved[1] - moved[0]) / 2e-5 * activation[0, channel]
    detector.network.head.float()
    np.testing.assert_allclose(found.maps[0], expected.numpy(), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found.features[0], activation[0].mean(dim=(1, 2)).numpy(), atol=1e-5)


@pytest.mark.parametrize("name", [name for name in STUDIES if name not in ("files", "truth")])
def test_every_study(source: Source, name: str) -> None:
    answer = read_study(study_path(source.run, name), read_run(source.run))
    assert len(answer.table)
    numbers = answer.table.select_dtypes("number")
    assert np.isfinite(numbers.to_numpy(float)).any()
    if name == "sanity":
        assert {"gradcam_head", "gradcam_second", "lime_third", "lime_first"} <= set(answer.table)
