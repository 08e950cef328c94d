"""The pictures of the first screen and of the game: what is chosen and what is drawn."""

import numpy as np
import pandas as pd

from core.runs.pictures import choose_other, choose_picture, draw_game

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
