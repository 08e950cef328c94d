"""The game to its end, and who was better."""

from pathlib import Path

import pytest
from scipy.stats import binomtest

from core.runs.run import read_run
from dashboard.components.story import compare
from tests.dashboard.conftest import Open
from tests.dashboard.test_pages import grids, words


def test_ten_answers_and_both_scores(open_page: Open, home: Path) -> None:
    run = read_run(home / "runs" / "tiny@seen-test")
    app = open_page("play", run=run.name, game="3")
    for number in range(10):
        assert f"Image {number + 1} of 10" in app.get("progress")[0].proto.text
        assert "It is" not in words(app)
        app.button(key="game.real" if number % 2 else "game.fake").click().run()
        assert not app.exception
        assert "Right." in words(app) or "Wrong." in words(app)
        app.button(key="game.next").click().run()
    assert not app.dataframe, "the ten are shown once"
    tiles = grids(app)["game.grid"]["tiles"]
    found = run.predictions.set_index("id").loc[[tile["id"] for tile in tiles]]
    assert len(set(found.index)) == 10
    assert [tile["truth"] for tile in tiles] == found["label"].astype(str).tolist()
    assert [tile["said"] for tile in tiles] == found["predicted"].astype(str).tolist()
    mine = [tile["about"].split() for tile in tiles]
    assert [said for _, said in mine] == ["FAKE", "REAL"] * 5
    right = [said == tile["truth"] for (_, said), tile in zip(mine, tiles, strict=True)]
    assert [mark == "✓" for mark, _ in mine] == right
    scores = [int(metric.value.split()[0]) for metric in app.metric]
    assert scores == [sum(right), sum(not tile["wrong"] for tile in tiles)]
    app.button(key="game.again").click().run()
    assert app.query_params["game"] == "4"
    assert "Image 1 of 10" in app.get("progress")[0].proto.text


def test_a_second_quick_press_is_none(open_page: Open) -> None:
    app = open_page("play", run="tiny@seen-test", game="3")
    for key, given, seen in (("game.real", 1, 0), ("game.next", 1, 1), ("game.fake", 2, 1)):
        button = app.button(key=key)
        for _ in range(2):
            button.click().run()
            assert not app.exception
        (game,) = app.session_state["games"].values()
        assert (len(game[0]), len(game[1])) == (given, seen)


@pytest.mark.parametrize(("you", "it"), [(a, b) for a in (0, 1, 5, 6, 7) for b in (0, 1, 2)])
def test_luck_is_what_the_binomial_test_of_the_images_that_one_has_right_says(you: int, it: int) -> None:
    truth, both = ["REAL"] * 10, 10 - you - it
    yours = ["REAL"] * (you + both) + ["FAKE"] * it
    detectors = ["FAKE"] * you + ["REAL"] * (both + it)
    told = compare(truth, yours, detectors)
    unlucky = you != it and binomtest(you, you + it).pvalue <= 0.05
    assert ("hardly luck" in told) == unlucky
