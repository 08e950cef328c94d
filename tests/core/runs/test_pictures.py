"""Pictures find their rows by file hash: own ones, a whole set's, half a set's, none; and which of them are shown."""

from dataclasses import asdict, replace

import numpy as np
import pandas as pd

from core.images.image_set import ImageSet
from core.images.preprocessing import Preprocessing
from core.runs.pictures import choose_other, choose_picture, draw_game, find_pictures
from core.runs.run import Run
from tests.core.runs.test_rows import make_run


def image_set(digests, *, fingerprint="other", name="set"):
    pixels = np.arange(len(digests), dtype=np.uint8)[:, None, None, None] * np.ones((1, 32, 32, 3), np.uint8)
    return ImageSet(name, "test", pixels, pd.DataFrame({"sha256": digests}), fingerprint)


def test_rows_get_the_picture_of_their_file(tmp_path):
    run = make_run(tmp_path / "d@s", n=4)
    digests = run.predictions["sha256"].tolist()
    found = find_pictures(run, [image_set(["z", digests[2], digests[0], digests[2]])])
    assert found.found == 2
    assert found.get(0)[0, 0, 0] == 2
    # of two copies the first
    assert found.get(2)[0, 0, 0] == 1
    assert found.get(1) is None


def test_a_whole_set_is_preferred_and_without_sets_there_is_nothing(tmp_path):
    run = make_run(tmp_path / "d@s", n=3)
    digests = run.predictions["sha256"].tolist()
    half = image_set(digests[:2], name="half")
    whole = image_set(digests, fingerprint="f", name="whole")
    assert find_pictures(run, [half, whole]).source == "whole"
    assert find_pictures(run, [half]).source == "half"
    nothing = find_pictures(run, [image_set(["z"])])
    assert nothing.found == 0
    assert nothing.get(0) is None
    assert nothing.source is None


def test_pixels_that_were_cut_in_another_way_are_another_detectors(tmp_path):
    run = make_run(tmp_path / "d@s", n=3)
    digests = run.predictions["sha256"].tolist()

    def found(fit, **changes):
        manifest = {**run.manifest, "preprocess": asdict(replace(Preprocessing(32), **changes))}
        changed = Run(run.path, manifest, run.predictions, run.maps, None, None)
        return find_pictures(changed, [replace(image_set(digests), fit=fit)]).found == 3

    own = Preprocessing(32).steps
    assert found("")
    assert found(own)
    assert found(own, mean=(0.5, 0.5, 0.5))
    assert not found(own, crop="none")
    assert not found(own, interpolation="bilinear")
    # files of the right size are enlarged before they are cut
    assert not found("", crop="after", resize=40)
    assert found(Preprocessing(32, 40, "after").steps, crop="after", resize=40)


# of a change -> of its controls
STRENGTHS = {"weak": ["weak_control", "weak_other"], "strong": ["strong_control"]}

CONTROLS = [control for controls in STRENGTHS.values() for control in controls]


def planted(**columns):
    """Six images: a leak, four FAKE called FAKE, one REAL called REAL."""
    table = pd.DataFrame(
        {
            "id": list("abcdef"),
            "label": ["FAKE"] * 5 + ["REAL"],
            "predicted": ["FAKE"] * 5 + ["REAL"],
            "margin": [-9.0, -3.0, -2.0, -4.0, -1.0, 2.0],
            "category": ["cat"] * 6,
            "in_train": [True, *[False] * 5],
            "is_repeat": False,
        }
    )
    return table.assign(**columns)


def test_the_picture_is_the_one_that_flips_most_clearly_while_its_control_stays():
    table = planted()
    all_pictured = np.ones(6, bool)
    margins = pd.DataFrame(-9.0, index=list("abcdef"), columns=[*STRENGTHS, *CONTROLS])

    def chosen():
        return choose_picture(table, all_pictured, margins, STRENGTHS)

    assert choose_picture(table, all_pictured, None, STRENGTHS) == 2, "without a study the median of b, c, d, e"
    strengths = list(STRENGTHS)
    margins.loc[list("abcd"), strengths] = [[5.0], [1.0], [1.9], [0.5]]
    assert chosen() == 2, "a was trained on"
    # one control that flips it is enough
    margins.loc["c", ["weak_other", "strong_control"]] = 1.0
    assert chosen() == 1
    # one strength is better than none
    margins.loc[list("abcdef")] = -9.0
    margins.loc["e", strengths[-1]] = 0.5
    assert chosen() == 4
    assert choose_picture(table, np.zeros(6, bool), margins, STRENGTHS) is None
    assert choose_other(table, all_pictured, 1) == 5
    assert choose_other(planted(category=["cat"] * 5 + ["dog"]), all_pictured, 1) == 5


def made_table(n=200):
    number = np.arange(n)
    label = np.where(number % 2, "REAL", "FAKE")
    called = np.where(number % 7 < 2, np.where(number % 2, "FAKE", "REAL"), label)
    leaks = {"is_repeat": number % 10 == 0, "in_train": number % 9 == 0}
    return pd.DataFrame({"label": label, "predicted": called, **leaks})


def test_a_game_is_ten_different_pictured_images_a_fifth_called_wrongly_and_the_same_again():
    table = made_table()
    pictured = np.arange(200) < 150
    games = [draw_game(table, pictured, seed=seed) for seed in range(40)]
    reals = set()
    for drawn in games:
        rows = table.iloc[drawn]
        assert len(set(drawn)) == 10
        assert pictured[drawn].all()
        assert not rows[["is_repeat", "in_train"]].to_numpy().any()
        assert (rows["label"] != rows["predicted"]).sum() == 2
        reals.add((rows["label"] == "REAL").sum())
    np.testing.assert_array_equal(draw_game(table, pictured, seed=7), games[7])
    # counting does not reveal the last one
    assert len(reals) > 1
    assert draw_game(table, np.arange(200) < 8, seed=0) is None
    assert draw_game(table.assign(predicted=table["label"]), pictured, seed=0) is None
