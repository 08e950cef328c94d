"""Studies that are made by a press of a button on the page that lacks them."""

import time

import pytest

from dashboard.components import study
from dashboard.components.study import Maker, the_maker

LABEL = "Measure this"


def wait_for(maker):
    while maker.busy:
        time.sleep(0.1)


def labels(app):
    return [button.label for button in app.button]


def press(app, label):
    return next(button for button in app.button if button.label == label).click().run()


def test_a_press_makes_what_the_page_lacks(open_page, home, monkeypatch):
    monkeypatch.setattr(study, "is_local", lambda: True)
    app = open_page("reads", tab="Patterns")
    press(app, LABEL)
    assert "Cancel" in labels(app) or not the_maker().busy
    wait_for(the_maker())
    assert (home / "runs/tiny@seen-test/studies/clusters.parquet").is_file(), the_maker().line
    assert LABEL not in labels(app.run())


def test_cancel_ends_it_and_an_error_is_shown(open_page, home, monkeypatch):
    monkeypatch.setattr(study, "is_local", lambda: True)
    app = press(open_page("reads", tab="Patterns"), LABEL)
    press(app, "Cancel")
    wait_for(the_maker())
    app.run()
    assert not app.error
    assert not (home / "runs/tiny@seen-test/studies/clusters.parquet").exists()
    (home / "detectors/tiny/manifest.json").unlink()
    press(app, LABEL)
    wait_for(the_maker())
    assert "the detector tiny that made tiny@seen-test is not here" in the_maker().problem
    assert any("tiny@seen-test" in error.value for error in app.run().error)


@pytest.mark.parametrize("run, is_local", [("tiny@seen-test", False), ("tiny@blind-test", True)])
def test_no_button_for_others_or_where_the_pictures_are_unknown(open_page, monkeypatch, run, is_local):
    monkeypatch.setattr(study, "is_local", lambda: is_local)
    app = open_page("reads", run=run, tab="Patterns")
    assert "study clusters" in "".join(info.value for info in app.info)
    assert LABEL not in labels(app)


def test_a_command_runs_from_any_folder_and_its_error_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("TELLTALE_CACHE", str(tmp_path / "new" / "cache"))
    monkeypatch.chdir(tmp_path)
    maker = Maker()
    for word in ("first", "second"):
        maker.start((word,))
        assert maker.busy
        # one runs at a time
        maker.start(("another",))
        wait_for(maker)
        assert maker.words == (word,)
        assert f"'{word}'" in maker.problem
