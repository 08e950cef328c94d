"""The game to its end, what is kept of it, and who was better."""

import pytest
from scipy.stats import binomtest

from core.answers.reliance import HELPS, Answers, compare
from core.storage.atomic import cache_dir
from tests.dashboard.studies import add_studies
from tests.dashboard.test_pages import words


def answers():
    return Answers(cache_dir() / "play.sqlite").frame()


def play(app, key):
    for pressed in (key, "game.next"):
        app.button(key=pressed).click().run()


@pytest.mark.parametrize("studied", [True, False])
def test_ten_answers_with_every_help_are_kept_and_scored(open_page, home, run, studied):
    if studied:
        add_studies(home, "probes")
    app = open_page("play", game="3")
    for number in range(10):
        assert f"Image {number + 1} of 10" in app.get("progress")[0].proto.text
        play(app, "game.real" if number % 2 else "game.fake")
    kept = answers()
    assert kept["choice"].tolist() == ["FAKE", "REAL"] * 5
    truth = run.predictions.set_index("id").loc[kept["picture"]]
    assert len(set(truth.index)) == 10
    assert truth["label"].tolist() == kept["label"].tolist()
    assert truth["predicted"].tolist() == kept["verdict"].tolist()
    assert (kept["label"] != kept["verdict"]).sum() == 2
    assert set(kept["help"]) == set(HELPS) - (set() if studied else {"flip"})
    scores = [int(metric.value.split()[0]) for metric in app.metric]
    assert scores == [(kept["choice"] == kept["label"]).sum(), 8]
    assert len(app.table[0].value) == kept["help"].nunique()
    app.button(key="game.again").click().run()
    assert app.query_params["game"] == "4"
    assert "Image 1 of 10" in app.get("progress")[0].proto.text


def test_a_second_quick_press_is_none(open_page):
    app = open_page("play", game="3")
    for key, given, done in (("game.real", 1, 0), ("game.next", 1, 1), ("game.fake", 2, 1)):
        button = app.button(key=key)
        for _ in range(2):
            button.click().run()
        (game,) = app.session_state["games"].values()
        assert len(game["choices"]) == given
        assert game["done"] == done
    assert len(answers()) == 2


def test_the_next_player_has_other_help_with_the_same_pictures(open_page):
    for _ in range(2):
        app = open_page("play", game="3")
        for _ in range(10):
            play(app, "game.real")
    kept = answers()
    first, second = (kept[kept["player"] == player].set_index("picture")["help"] for player in (1, 2))
    assert (first != second.loc[first.index]).all()


def test_a_full_disk_stops_nobody_from_playing(open_page, tmp_path, monkeypatch):
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("TELLTALE_CACHE", str(tmp_path / "taken"))
    app = open_page("play", game="3")
    app.button(key="game.real").click().run()
    assert str(tmp_path) not in words(app)


@pytest.mark.parametrize("you, it", [(0, 0), (1, 0), (5, 0), (6, 0), (6, 1), (7, 1), (7, 2)])
def test_luck_is_what_the_binomial_test_of_the_images_that_one_has_right_says(you, it):
    truth = ["REAL"] * 10
    both = 10 - you - it
    yours = ["REAL"] * (you + both) + ["FAKE"] * it
    detectors = ["FAKE"] * you + ["REAL"] * (both + it)
    told = compare(truth, yours, detectors)
    unlucky = you != it and binomtest(you, you + it).pvalue <= 0.05
    assert ("hardly luck" in told) == unlucky
