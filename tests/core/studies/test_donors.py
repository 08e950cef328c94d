"""The pictures of one image's probes are those that the study has judged."""

import numpy as np

from core.perturbations.table import PROBES, probe_columns
from core.runs.run import read_run
from core.studies.donors import choose_donors, probe_example
from core.studies.probes import STUDY
from core.studies.runner import Source
from core.studies.store import read_study, study_path


def test_the_detector_says_of_the_pictures_what_the_study_says(probed: Source) -> None:
    run = read_run(probed.run)
    table = read_study(study_path(probed.run, STUDY.name), run).table.set_index("id")
    context = probed.open()
    for row in (0, 41):
        example = probe_example(run, row, lambda at: np.asarray(context.pixels[at]))
        assert example is not None
        assert set(example.pictures) == set(probe_columns())
        margins = context.detector.margins(np.stack(list(example.pictures.values())))
        expected = table.loc[run.predictions["id"][row], list(example.pictures)].to_numpy(float)
        np.testing.assert_allclose(margins, expected, rtol=0.01, atol=2e-3)


def test_what_is_not_at_hand_is_left_out(source: Source) -> None:
    run, pixels = read_run(source.run), source.open().pixels
    other = int(choose_donors(run, np.array([3])).other[0])
    assert probe_example(run, 3, lambda at: None if at == 3 else np.asarray(pixels[at])) is None
    example = probe_example(run, 3, lambda at: None if at == other else np.asarray(pixels[at]))
    assert example is not None
    assert example.donor is None
    missing = {column for probe in PROBES.values() if probe.needs == "other" for column in probe.columns}
    assert set(example.pictures) == set(probe_columns()) - missing
    np.testing.assert_array_equal(example.before(PROBES["blur"]), pixels[3])
