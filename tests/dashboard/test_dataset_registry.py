"""Attaching an image set: in the background, one at a time, with its progress and its failures in a sentence."""

import shutil
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.images.cifake_files import fetched_path
from core.images.loading import load_image_set
from core.runs.writing import write_run
from dashboard import sidebar
from dashboard.services import library
from dashboard.services.dataset_registry import Attaching, Shelf
from tests.conftest import make_detector
from tests.core.images.github import Serve, serve
from tests.core.images.test_image_set import damaged_zips
from tests.dashboard.conftest import Open

__all__ = ["serve"]


def settled(shelf: Shelf) -> Attaching:
    for _ in range(3000):
        if shelf.status.state != "reading":
            return shelf.status
        time.sleep(0.01)
    raise AssertionError("still reading")


def test_begins_with_what_is_there(cifake: Path, tmp_path: Path) -> None:
    shelf = Shelf(cifake, ("test", "train"))
    # the page that is drawn first comes before that, and knows that there will be pictures
    assert (shelf.status, shelf.sets) == (Attaching("reading"), ())
    shelf.begin()
    assert settled(shelf).state == "done"
    assert [found.split for found in shelf.sets] == ["test", "train"]
    shelf.begin()
    assert shelf.status.state == "done"
    nothing = Shelf(tmp_path / "nowhere")
    nothing.begin()
    assert nothing.status == Attaching()


def test_a_zip_is_attached_and_nonsense_is_a_sentence(cifake: Path, tmp_path: Path) -> None:
    packed = tmp_path / "cifake.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for file in sorted(cifake.rglob("*.jpg")):
            archive.write(file, file.relative_to(cifake))
    shelf = Shelf(tmp_path / "nowhere")
    assert shelf.attach(packed)
    assert settled(shelf).state == "done"
    assert len(shelf.sets) == 1
    (tmp_path / "empty").mkdir()
    wrong = [tmp_path / "missing", Path(__file__), tmp_path / "empty", *damaged_zips(tmp_path).values()]
    for path in (*wrong, Path("~nosuchuser/cifake")):
        assert shelf.attach(path)
        status = settled(shelf)
        assert status.state == "failed"
        assert "\n" not in status.message
    assert len(shelf.sets) == 1


def test_whatever_happens_the_reading_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.services.dataset_registry.load_image_set", lambda *_, **__: 1 / 0)
    shelf = Shelf(tmp_path / "nowhere")
    assert shelf.attach("somewhere")
    status = settled(shelf)
    assert status.state == "failed"
    assert status.message == "somewhere could not be read (ZeroDivisionError); the server's log says why."
    assert shelf.attach("somewhere")
    settled(shelf)


def test_only_one_at_a_time(cifake: Path, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "nowhere")
    shelf.status = Attaching("reading")
    assert not shelf.attach(cifake)


def test_stopping_keeps_what_is_whole_and_lets_another_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first_done, may_go_on = threading.Event(), threading.Event()

    def slowly(data: object, split: str, *, progress: Callable[[int, int], None], **options: object) -> SimpleNamespace:
        progress(1, 4)
        if split == "train":
            first_done.set()
            assert may_go_on.wait(30)
            progress(2, 4)
        return SimpleNamespace(fingerprint=split, side=32, name="slow", split=split)

    monkeypatch.setattr("dashboard.services.dataset_registry.load_image_set", slowly)
    shelf = Shelf(tmp_path / "nowhere")
    assert shelf.attach("somewhere", ("test", "train"))
    assert first_done.wait(30)
    assert (shelf.status.split, shelf.status.done, shelf.status.total) == ("train", 1, 4)
    assert shelf.status.seconds_left is not None
    shelf.stop()
    may_go_on.set()
    assert settled(shelf).state == "idle"
    assert [found.split for found in shelf.sets] == ["test"]
    assert shelf.attach("somewhere", ("test", "train"))
    assert settled(shelf).state == "done"
    assert len(shelf.sets) == 2


def attach(app: AppTest, path: Path) -> AppTest:
    app.text_input(key="attach.path").set_value(str(path))
    return pressed(app, "attach.go")


def pressed(app: AppTest, key: str) -> AppTest:
    app.button(key=key).click().run()
    for _ in range(1200):
        if library.shelf().status.state != "reading":
            return app.run()
        time.sleep(0.05)
        app.run()
    raise AssertionError("still reading")


@pytest.fixture
def on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """AppTest has no client whose address could be looked at."""
    monkeypatch.setattr(sidebar, "is_local", lambda: True)


@pytest.fixture
def cifake_run(home: Path, cifake: Path) -> str:
    """A run on the set in `cifake`, without its pictures."""
    detector = make_detector()
    detector.manifest = {"name": "tiny"}
    return write_run(home, detector, load_image_set(cifake, "test")).name


@pytest.mark.usefixtures("on_this_machine")
def test_pictures_appear_once_their_set_is_attached(open_page: Open, cifake_run: str, cifake: Path) -> None:
    app = open_page("explore", run=cifake_run)
    assert any("24 pictures are not available" in found.value for found in app.caption)
    app = attach(app, cifake)
    assert not app.exception
    assert not any("not available" in found.value for found in app.caption)
    assert any(found.value == "All pictures are available." for found in app.caption)


@pytest.mark.usefixtures("on_this_machine")
def test_a_browser_that_has_everything_forgotten_does_not_take_pictures_away(
    open_page: Open, cifake_run: str, cifake: Path
) -> None:
    attach(open_page("explore", run=cifake_run), cifake)
    # what Streamlit does for any browser that asks for it
    st.cache_resource.clear()
    app = open_page("explore", run=cifake_run)
    assert not any("not available" in found.value for found in app.caption)
    assert library.shelf().source == str(cifake)


def until(shelf: Shelf, reached: Callable[[Attaching], bool]) -> Attaching:
    for _ in range(6000):
        if reached(shelf.status):
            return shelf.status
        time.sleep(0.01)
    raise AssertionError(shelf.status)


def test_fetching_shows_how_far_it_is_and_goes_on_after_a_stop(
    serve: Serve, cifake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.images.fetching.CHUNK", 1024)
    held = threading.Event()
    server = serve(holds=[held])
    shelf = Shelf(tmp_path / "nowhere")
    assert shelf.attach("github", ("test", "train"))
    status = until(shelf, lambda now: now.done > 0)
    assert (status.state, status.doing, status.total) == ("reading", "downloading", len(server.body))
    assert 0 < status.done < status.total
    assert status.seconds_left is not None
    shelf.stop()
    held.set()
    assert settled(shelf).state == "idle"
    assert not shelf.sets
    assert shelf.source is None
    assert shelf.attach("github", ("test", "train"))
    assert settled(shelf).state == "done"
    assert server.asked[1].startswith("bytes=")
    assert [found.split for found in shelf.sets] == ["test", "train"]
    assert [found.fingerprint for found in shelf.sets] == [
        load_image_set(cifake, split).fingerprint for split in ("test", "train")
    ]
    assert shelf.source == str(fetched_path())


def test_a_download_that_begins_again_says_so(serve: Serve, tmp_path: Path) -> None:
    at_once, held = threading.Event(), threading.Event()
    at_once.set()
    serve(holds=[at_once, held], cuts=[20_000], ranges=False)
    shelf = Shelf(tmp_path / "nowhere")
    shelf.attach("github")
    status = until(shelf, lambda now: bool(now.message))
    held.set()
    assert "it starts again" in status.message
    assert settled(shelf).state == "done"


def test_only_a_set_with_training_images_is_their_source(cifake: Path, tmp_path: Path) -> None:
    shelf = Shelf(cifake)
    shelf.begin()
    assert settled(shelf).state == "done"
    assert shelf.source == str(cifake)
    shutil.rmtree(cifake / "train")
    shelf = Shelf(cifake)
    shelf.begin()
    assert settled(shelf).state == "done"
    assert shelf.source is None


@pytest.mark.usefixtures("on_this_machine")
def test_the_button_fetches_and_what_was_fetched_is_there_next_time(
    open_page: Open, cifake_run: str, serve: Serve
) -> None:
    serve()
    app = pressed(open_page("explore", run=cifake_run), "attach.github")
    assert not app.exception
    assert any(found.value == "All pictures are available." for found in app.caption)
    # another start of the dashboard
    library._shelves.clear()
    library.shelf().begin()
    settled(library.shelf())
    app = open_page("explore", run=cifake_run)
    assert any(found.value == "All pictures are available." for found in app.caption)
    assert library.shelf().source == str(fetched_path())


@pytest.mark.usefixtures("on_this_machine")
def test_what_cannot_be_fetched_is_a_sentence(open_page: Open, cifake_run: str, serve: Serve) -> None:
    serve(statuses=[404])
    app = pressed(open_page("explore", run=cifake_run), "attach.github")
    assert [found.value for found in app.error] == [
        "127.0.0.1 answered 404 Not Found; try again, or download the .zip from "
        "kaggle.com/datasets/birdy654/cifake-real-and-ai-generated-synthetic-images and give its path."
    ]


@pytest.mark.usefixtures("on_this_machine")
def test_a_wrong_path_is_a_sentence(open_page: Open, tmp_path: Path) -> None:
    app = attach(open_page("explore"), tmp_path / "nothing here")
    assert not app.exception
    assert any("does not exist" in found.value for found in app.error)


def test_an_open_server_offers_no_path(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sidebar, "is_local", lambda: False)
    app = open_page("explore")
    assert not app.exception
    assert not any(found.key == "attach.path" for found in app.text_input)
    assert not any(found.key == "attach.github" for found in app.button)


def test_what_somebody_here_typed_is_told_to_nobody_elsewhere(
    open_page: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sidebar, "is_local", lambda: True)
    attach(open_page("explore"), tmp_path / "a private place" / "with pictures")
    monkeypatch.setattr(sidebar, "is_local", lambda: False)
    shown = " ".join(found.value for found in open_page("explore").error)
    assert shown == "An image set could not be read; the server's log says why."
