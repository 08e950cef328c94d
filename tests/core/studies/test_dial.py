"""The dial shows what the study of probes judged, and its shares are the study's."""

import numpy as np
import pytest

from core.detectors.storage import load_detector
from core.images.labels import verdict_of
from core.perturbations.table import PROBES, probe_columns
from core.runs.run import read_run
from core.studies.dial import COLUMNS, EXPERIMENTS, dial_pictures, flip_shares, smallest_flip
from core.studies.flips import flip_rates, read_flips
from core.studies.runner import Source
from core.studies.store import read_study, study_path


def test_the_pictures_are_those_that_the_study_judged(probed: Source) -> None:
    run, detector = read_run(probed.run), load_detector(probed.detector)
    margins = read_study(study_path(probed.run, "probes"), run).table.set_index("id")
    for row in (0, 40):
        id_ = str(run.predictions["id"].iloc[row])
        pictures = dial_pictures(np.asarray(run.images[row]), name=id_)
        assert tuple(pictures) == COLUMNS
        after = detector.margins(np.stack([*pictures.values()]))
        np.testing.assert_allclose(margins.loc[id_, list(COLUMNS)].astype(float), after, rtol=0.01, atol=1e-3)


def test_the_shares_are_the_study_s(probed: Source) -> None:
    run = read_run(probed.run)
    table = read_study(study_path(probed.run, "probes"), run).table
    rates = flip_rates(read_flips(run, table)).set_index(["column", "verdict"])["share"]
    shares = flip_shares(run, table)
    assert tuple(shares) == COLUMNS
    for column, of in shares.items():
        for verdict, share in of.items():
            assert share == pytest.approx(rates[column, verdict])
    assert "turn_90" not in flip_shares(run, table.drop(columns="turn_90"))


def test_the_smallest_change_flips_while_its_control_does_not() -> None:
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    pictures = dial_pictures(image, name="a")
    stays = dict.fromkeys(COLUMNS, -2.0)
    assert smallest_flip(image, pictures, stays, before=-1.0) is None
    first = smallest_flip(image, pictures, stays | {"blur_1": 0.5, "jpeg_95": 3.0}, before=-1.0)
    assert first is not None
    assert (first[0].probe, verdict_of(0.5)) == ("jpeg", "REAL")
    # its control flips it, too
    both = stays | {"lowpass_14": 1.0, "lowpass_control_14": 1.0}
    assert smallest_flip(image, pictures, both, before=-1.0) is None


def test_no_strength_of_the_dial_changes_more_than_what_is_tested() -> None:
    for experiment in EXPERIMENTS:
        assert len(experiment.columns) == len(experiment.strengths) > 1
        assert (experiment.control is None) == (not PROBES[experiment.probe].controls)
        assert not any(probe_columns()[column][1].excess for column, _ in experiment.columns)
