"""Whatever is asked of a detector can be asked of one that the project does not know: 48 x 48 pixels, one output."""

import numpy as np
import pytest

from core.runs.run import read_run
from core.studies.store import read_study, study_path
from core.studies.study import STUDIES
from tests.core.any_detector import plain_kind, source_of, write_studies
from tests.shared import made_once


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The run, its detector, its images on disk, and every study of it."""
    with plain_kind():
        yield source_of(made_once(tmp_path_factory, "any-detector", write_studies))


@pytest.mark.parametrize("name", [name for name in STUDIES if name not in ("files", "truth")])
def test_every_study(source, name):
    answer = read_study(study_path(source.run, name), read_run(source.run))
    assert len(answer.table)
    numbers = answer.table.select_dtypes("number")
    assert np.isfinite(numbers.to_numpy(float)).any()
    if name == "randomisation":
        assert {"gradcam_head_rank", "gradcam_second_rank", "lime_third_rank", "lime_first_rank"} <= set(answer.table)
