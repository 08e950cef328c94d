"""Donors, and the pictures of one image's probes, which are those that the study has judged."""

from pathlib import Path

import numpy as np

from core.perturbations.table import probe_columns
from core.runs.run import read_run
from core.studies.donors import choose_donors, probe_example
from core.studies.probes import STUDY
from core.studies.runner import Source
from core.studies.store import read_study, study_path
from tests.core.cues import mean_colour


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
    missing = {column for column, (probe, _) in probe_columns().items() if probe.needs == "other"}
    assert set(example.pictures) == set(probe_columns()) - missing


def test_donors_are_right_of_the_asked_verdict_of_the_category_and_never_the_image(tmp_path: Path) -> None:
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
        assert (lent["label"].astype(str) == lent["predicted"].astype(str)).all()
        assert ((lent["predicted"].astype(str) == table["predicted"].astype(str)) == same).all()
        assert (lent["category"].astype(str) == table["category"].astype(str)).all()
        assert (chosen != rows).all()
        assert len(set(chosen)) > 20
    part = choose_donors(run, rows[10:20])
    np.testing.assert_array_equal(part.other, donors.other[10:20])
    assert (choose_donors(run, rows, seed=1).other != donors.other).any()


def test_a_repeated_file_does_not_borrow_from_its_first_copy(tmp_path: Path) -> None:
    run = mean_colour().run(tmp_path)
    table = run.predictions
    copied = np.flatnonzero((table["category"] == table["category"][0]) & (table["label"] == table["label"][0]))
    # of the category and class two files are left, one of which most rows repeat
    table.loc[copied[1:-1], ["sha256", "is_repeat"]] = [table["sha256"][copied[0]], True]
    assert set(choose_donors(run, copied[:-1].astype(np.intp)).same) == {copied[-1]}
