"""The page that adds a detector: it asks for what the source leaves open, and is for somebody at the computer."""

import json
import shlex
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.detectors.storage import load_detector
from dashboard.views.add_detector import adding
from dashboard.views.add_detector.adding import Outcome, add_detector
from tests.core.detectors.adapters.graphs import make_graph
from tests.dashboard.conftest import Open
from tests.dashboard.test_pages import words

SAID = {
    "--crop": "before", "--interpolation": "bilinear", "--mean": "0.5", "--std": "0.25", "--classes": "FAKE, REAL",
    "--outputs": "logits",
}  # fmt: skip


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """An ONNX file."""
    path = tmp_path / "graph.onnx"
    path.write_bytes(make_graph(outputs=2))
    return path


def pressed(app: AppTest) -> AppTest:
    """The page after "Add"."""
    (button,) = (one for one in app.button if one.label == "Add")
    return button.click().run()


def test_what_the_source_does_not_say_is_asked_for(
    open_page: Open, home: Path, graph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TELLTALE_LOCAL", "yes")
    app = open_page("add_detector")
    assert "The source does not say" not in words(app)
    app.text_input(key="add.name").set_value("my own")
    app.text_input(key="add.source").set_value(str(graph)).run()
    app = pressed(app)
    assert "The source does not say" in words(app)
    assert "graph.onnx does not say everything; say it with" in app.error[0].value
    # paths of the server are nobody's business
    assert str(graph.parent) not in app.error[0].value
    for option, value in SAID.items():
        widget = app.selectbox if option in ("--crop", "--interpolation", "--outputs") else app.text_input
        widget(key=f"add.{option}").set_value(value)
    app = pressed(app.run())
    assert not app.exception
    assert not app.error
    command = shlex.split(app.code[0].value)
    assert command[3:] == [str(home / "detectors" / "my own"), "--data", "DATA", "--out", str(home)]
    assert "48 x 48 pixels" in words(app)
    # of another name nothing has come yet
    app.text_input(key="add.name").set_value("other").run()
    assert not app.success
    assert not app.code
    app.text_input(key="add.name").set_value("my own").run()
    assert load_detector(home / "detectors" / "my own").classes.fake == ("FAKE",)
    assert "exists already" in pressed(app).error[0].value


def filled_in(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The page with a name and a source."""
    monkeypatch.setenv("TELLTALE_LOCAL", "yes")
    app = open_page("add_detector")
    app.text_input(key="add.name").set_value("mine")
    return app.text_input(key="add.source").set_value("graph.onnx").run()


def test_a_press_while_a_detector_is_being_added_waits_for_what_comes_of_it(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    begun, go_on = threading.Event(), threading.Event()

    def add(name: str, *_: Any, **__: Any) -> Outcome:
        asked.append(name)
        begun.set()
        go_on.wait(60)
        return Outcome(error="This is what came of it.")

    monkeypatch.setattr(adding, "add_detector", add)
    app = filled_in(open_page, monkeypatch)
    with monkeypatch.context() as patch:
        # as far as a page comes that is drawn anew meanwhile
        patch.setattr(st, "spinner", lambda _text: st.stop())
        pressed(app)
    assert begun.wait(60)
    assert not app.error
    spinner = st.spinner

    def waiting(text: str) -> Any:
        go_on.set()
        return spinner(text)

    monkeypatch.setattr(st, "spinner", waiting)
    app = pressed(app)
    assert [error.value for error in app.error] == ["This is what came of it."]
    assert asked == ["mine"]
    pressed(app)
    assert asked == ["mine", "mine"]


def test_options_are_emptied_for_another_source_once_a_detector_was_added(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = [Outcome(error="This is what came of it."), Outcome(found={"Input": "32 x 32 pixels"})]
    monkeypatch.setattr(adding, "add_detector", lambda *_, **__: outcomes.pop(0))
    app = filled_in(open_page, monkeypatch)

    def options() -> tuple[str | None, str | None]:
        return app.text_input(key="add.--mean").value, app.selectbox(key="add.--crop").value

    app.text_input(key="add.--mean").set_value("0.5")
    app.selectbox(key="add.--crop").set_value("after").run()
    assert pressed(app).error
    app.text_input(key="add.source").set_value("other.onnx").run()
    assert options() == ("0.5", "after")
    assert pressed(app).success
    assert options() == ("0.5", "after")
    app.text_input(key="add.source").set_value("third.onnx").run()
    assert options() == ("", None)


def test_fake_classes_that_are_asked_for_and_left_empty_are_none(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[dict[str, Any]] = [{"error": "Say more.", "options": ["--fake-classes", "--size"]}, {"found": {}}]
    commands: list[list[str]] = []

    def run(command: list[str], **_: Any) -> SimpleNamespace:
        commands.append(command)
        return SimpleNamespace(stdout=json.dumps(answers[len(commands) - 1]))

    monkeypatch.setattr(adding, "subprocess", SimpleNamespace(run=run))
    app = filled_in(open_page, monkeypatch)
    for _ in answers:
        app = pressed(app)
    assert not app.exception
    assert ["--fake-classes=" in command for command in commands] == [False, True]
    assert not any(part.startswith("--size") for command in commands for part in command)


def test_a_visitor_from_elsewhere_is_offered_nothing(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELLTALE_LOCAL", "no")
    app = open_page("add_detector")
    assert "Only somebody at the computer" in app.info[0].value
    assert not [one for one in app.button if one.label == "Add"]
    assert not [one for one in app.text_input if str(one.key).startswith("add.")]


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        ("--run-code", "py:os:getcwd", "runs code"),
        ("a\0b", "nothing", "a letter that no file can have"),
        ("../mine", "nothing", "a detector cannot be named"),
    ],
)
def test_names_are_no_options(tmp_path: Path, name: str, source: str, said: str) -> None:
    outcome = add_detector(name, source, {"--size": "32"}, home=tmp_path)
    assert said in outcome.error
    assert not outcome.found
    assert not list(tmp_path.glob("detectors/*"))


def test_an_option_that_cannot_be_is_named(tmp_path: Path, graph: Path) -> None:
    assert "--size" in add_detector("d", str(graph), {**SAID, "--size": "wide"}, home=tmp_path).error
