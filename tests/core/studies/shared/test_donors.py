"""Donors, and the pictures of one image's probes, which are those that the study has judged."""

from dataclasses import replace

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from core.perturbations.registry import probe_columns
from core.runs.run import read_run
from core.studies.questions.probes import STUDY
from core.studies.shared.flips import by_change, choose_donors, probe_example
from core.studies.store import read_study, study_path
from tests.core.cue_detectors import mean_colour


def test_the_detector_says_of_the_pictures_what_the_study_says(probed):
    run = read_run(probed.run)
    table = by_change(read_study(study_path(probed.run, STUDY.name), run).table).set_index("id")
    context = probed.open()
    for row in (0, 41):
        example = probe_example(run, row, lambda at: context.pixels[at])
        assert set(example.pictures) == set(probe_columns())
        margins = context.detector.margins(np.stack(list(example.pictures.values())))
        expected = table.loc[run.predictions["id"][row], list(example.pictures)].to_numpy(float)
        assert_allclose(margins, expected, rtol=0.01, atol=2e-3)


def test_donors_are_right_of_the_asked_verdict_of_the_category_and_never_the_image(tmp_path):
    run = mean_colour().run(tmp_path)
    # three wrong answers and one repeat, none of which may lend
    run.predictions.loc[[0, 5], "predicted"] = "REAL"
    run.predictions.loc[[79], "predicted"] = "FAKE"
    run.predictions.loc[[50], "is_repeat"] = True
    rows = np.arange(len(run))
    donors = choose_donors(run, rows)
    table = run.predictions
    for chosen, same in ((donors.other, False), (donors.same, True)):
        lent = table.iloc[chosen].reset_index(drop=True)
        assert not set(chosen) & {0, 5, 79, 50}
        assert (lent["label"] == lent["predicted"]).all()
        assert ((lent["predicted"] == table["predicted"]) == same).all()
        assert (lent["category"] == table["category"]).all()
        assert (chosen != rows).all()
        assert len(set(chosen)) > 20
    # a copy of an image borrows nothing from it, whatever is drawn
    copies = np.arange(10, 70, 7)
    copied = np.roll(rows, 3)[copies]
    again = replace(run, predictions=table.copy())
    again.predictions.loc[copies, "sha256"] = table["sha256"][copied].to_numpy()
    again.predictions.loc[copies, "is_repeat"] = True
    for seed in range(30):
        lent = choose_donors(again, copies, seed=seed)
        assert not ((lent.same == copied) | (lent.other == copied)).any()
    part = choose_donors(run, rows[10:20])
    assert_array_equal(part.other, donors.other[10:20])
    assert (choose_donors(run, rows, seed=1).other != donors.other).any()
