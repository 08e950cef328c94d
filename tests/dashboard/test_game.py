"""The game to its end, on a run with pictures and on one without."""

from pathlib import Path

import numpy as np
from streamlit.testing.v1 import AppTest

from core.images.decoding import data_url
from core.runs.run import read_run
from tests.dashboard.conftest import Open
from tests.dashboard.test_pages import words


def test_ten_answers_and_both_scores(open_page: Open, home: Path) -> None:
    run = read_run(home / "runs" / "tiny@seen-test")
    app = open_page("game", run=run.name, game="3")
    for number in range(10):
        assert f"Image {number + 1} of 10" in app.get("progress")[0].proto.text
        assert "It is" not in words(app).replace("It is 32 x 32", "")
        app.button(key="game.real" if number % 2 else "game.fake").click().run()
        assert not app.exception
        assert "Right." in words(app) or "Wrong." in words(app)
        app.button(key="game.next").click().run()
    table = app.dataframe[0].value
    # each row holds its picture, by which it is known
    rows = {data_url(np.asarray(image)): number for number, image in enumerate(np.load(run.path / "images.npy"))}
    found = run.predictions.iloc[[rows[picture] for picture in table["image"]]]
    assert len(set(table["image"])) == 10
    assert list(table["it is"]) == found["label"].astype(str).tolist()
    assert [one.split()[1] for one in table["you said"]] == ["FAKE", "REAL"] * 5
    assert [one.split()[1] for one in table["the detector said"]] == found["predicted"].astype(str).tolist()
    for who in ("you said", "the detector said"):
        assert [one[0] == "✓" for one in table[who]] == [
            one.split()[1] == is_ for one, is_ in zip(table[who], table["it is"], strict=True)
        ]
    scores = [int(metric.value.split()[0]) for metric in app.metric]
    assert scores == [sum("✓" in one for one in table[who]) for who in ("you said", "the detector said")]
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
    app = open_page("game", run="tiny@seen-test", game="3")
    for number in range(10):
        assert f"Image {number + 1} of 10" in app.get("progress")[0].proto.text
        press_twice(app, "game.real")
        assert app.session_state["game.answers"] == ["REAL"] * (number + 1)
        press_twice(app, "game.next")
        assert app.session_state["game.seen"] == number + 1
    assert len(app.dataframe[0].value) == 10


def test_without_pictures_it_says_what_to_do(open_page: Open) -> None:
    app = open_page("game", run="tiny@blind-test")
    assert not app.exception
    assert "Attach images" in words(app)
