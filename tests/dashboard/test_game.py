"""The game to its end, on a run with pictures and on one without."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.runs.pictures import Pictures
from core.runs.run import read_run
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


def press_twice(app: AppTest, key: str) -> None:
    """A press, and another before the page that it leads to is drawn."""
    button = app.button(key=key)
    for _ in range(2):
        button.click().run()
        assert not app.exception


def test_a_second_quick_press_is_none(open_page: Open) -> None:
    app = open_page("play", run="tiny@seen-test", game="3")
    for number in range(10):
        assert f"Image {number + 1} of 10" in app.get("progress")[0].proto.text
        press_twice(app, "game.real")
        (game,) = app.session_state["games"].values()
        assert game[0] == ["REAL"] * (number + 1)
        press_twice(app, "game.next")
        assert len(game[1]) == number + 1
    assert len(grids(app)["game.grid"]["tiles"]) == 10


def test_a_picture_whose_file_is_gone_is_one_sentence(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pictures, "get", lambda *_: None)
    app = open_page("play", run="tiny@seen-test")
    assert not app.exception
    assert [error.value for error in app.error] == [
        "The file of this picture has changed or is gone, so the game cannot go on."
    ]


def test_without_pictures_it_says_what_to_do(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    # a visitor over the network cannot attach any
    for local, said in (("yes", "Attach images"), ("no", "Whoever runs this server can attach them.")):
        monkeypatch.setenv("TELLTALE_LOCAL", local)
        app = open_page("play", run="tiny@blind-test")
        assert not app.exception
        assert said in words(app)
