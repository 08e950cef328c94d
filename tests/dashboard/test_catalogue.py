"""Image sets: attached in the background, one at a time; and what is seen of those that are there from the start."""

import shutil
import threading
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from core.images.cifake import ARCHIVE, FINGERPRINTS, fetched_path
from core.images.image_set import DataPath, DatasetError
from core.images.loading import load_image_set
from core.images.sources import SHIPPED
from core.runs.run import read_run
from core.runs.writing import write_run
from core.storage.atomic import cache_dir
from dashboard import catalogue, library
from dashboard.catalogue import DatasetRegistry
from tests.conftest import make_detector, write_shipped
from tests.core.images import made
from tests.core.images.github import serve
from tests.dashboard.conftest import RUN
from tests.dashboard.test_pages import words

__all__ = ["serve"]


def settled(registry):
    for _ in range(3000):
        if registry.status.state != "reading":
            return registry.status
        time.sleep(0.01)
    raise AssertionError("still reading")


def test_a_zip_is_attached_and_nonsense_is_a_sentence(cifake, tmp_path):
    packed = tmp_path / "cifake.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for file in sorted(cifake.rglob("*.jpg")):
            archive.write(file, file.relative_to(cifake))
    registry = DatasetRegistry()
    assert registry.attach(packed)
    assert settled(registry).state == "done"
    assert len(registry.sets) == 1
    assert registry.source == packed
    (tmp_path / "cut.zip").write_bytes(packed.read_bytes()[:-2000])
    for path in (tmp_path / "missing", tmp_path / "cut.zip", Path("~nosuchuser/cifake")):
        assert registry.attach(path)
        status = settled(registry)
        assert status.state == "failed"
        assert "\n" not in status.message
    assert len(registry.sets) == 1


def test_stopping_lets_another_begin(tmp_path, monkeypatch):
    has_begun = threading.Event()
    may_go_on = threading.Event()

    def slowly(data, split, *, progress, **options):
        progress(1, 4)
        has_begun.set()
        assert may_go_on.wait(30)
        progress(2, 4)
        return SimpleNamespace(fingerprint=split, side=32, fit="")

    monkeypatch.setattr("dashboard.catalogue.load_image_set", slowly)
    registry = DatasetRegistry()
    assert registry.attach("somewhere", "train")
    assert has_begun.wait(30)
    assert registry.status.share == 0.25
    assert not registry.attach("elsewhere")
    registry.stop()
    may_go_on.set()
    assert settled(registry).state == "idle"
    assert registry.attach("somewhere", "train")
    assert settled(registry).state == "done"
    assert [found.fingerprint for found in registry.sets] == ["train"]


def are_here(app):
    """Whether the sidebar says that all pictures are."""
    return "All pictures are here." in [caption.value for caption in app.caption]


def attach(app, path):
    app.text_input(key="attach.path").set_value(str(path))
    return pressed(app, "attach.go")


def pressed(app, key):
    app.button(key=key).click().run()
    settled(catalogue.registry())
    return app.run()


@pytest.fixture
def on_this_machine(monkeypatch):
    """AppTest has no client whose address could be looked at."""
    monkeypatch.setenv("TELLTALE_LOCAL", "yes")


@pytest.fixture
def cifake_run(home, cifake):
    """A run on the set in `cifake`, without its pictures."""
    return write_run(home, make_detector(manifest={"name": "tiny"}), load_image_set(cifake, "test")).name


def test_a_set_of_another_layout_and_size_is_attached_as_the_run_saw_it(open_page, home, tmp_path, on_this_machine):
    folder = tmp_path / "own"
    truths = made.image_folder(folder)
    detector = make_detector(manifest={"name": "tiny"})
    data = DataPath(str(folder), ["biggan", "sd14"])
    run = write_run(home, detector, load_image_set(data, "test", fit=detector.preprocessing))
    shutil.rmtree(cache_dir() / "places")
    app = open_page("mistakes", run=run.name)
    # pictures are found by their files, whatever is said of their classes
    app = attach(app, folder)
    assert not app.error
    assert are_here(app)
    assert len(read_run(run)) == sum(one.split == "test" for one in truths.values())
    # pictures are 16 pixels wide, and the run's 32
    assert {one.side for one in catalogue.registry().sets} == {32}


@pytest.mark.usefixtures("on_this_machine")
def test_the_button_fetches_and_what_was_fetched_is_there_next_time(open_page, home, cifake_run, serve, monkeypatch):
    serve()
    shutil.rmtree(cache_dir() / "places")
    app = pressed(open_page("mistakes", run=cifake_run), "attach.github")
    assert are_here(app)
    # another start of the dashboard
    monkeypatch.setenv("TELLTALE_HOME", str(home.rename(home.with_name("moved"))))
    assert catalogue.registry().source == fetched_path()
    app = open_page("mistakes", run=cifake_run)
    settled(catalogue.registry())
    assert are_here(app.run())


def test_what_somebody_here_typed_is_told_to_nobody_elsewhere(open_page, tmp_path, monkeypatch):
    monkeypatch.setenv("TELLTALE_LOCAL", "yes")
    attach(open_page("mistakes"), tmp_path / "a private place" / "with pictures")
    monkeypatch.setenv("TELLTALE_LOCAL", "no")
    shown = " ".join(found.value for found in open_page("mistakes").error)
    assert shown == "An image set could not be read; the server's log says why."


def test_pictures_are_taken_from_where_they_were_last_read(open_page, home, cifake, tiny):
    write_run(home, tiny, load_image_set(cifake, "test"))
    app = open_page("mistakes", run="tiny@images-test")
    settled(catalogue.registry())
    app.run()
    assert are_here(app)


@pytest.mark.parametrize("error, said", [(DatasetError, "is odd"), (ZeroDivisionError, "ZeroDivisionError")])
def test_what_ships_is_read_once_it_is_asked_for(tmp_path, monkeypatch, error, said):
    read = []
    seen = []

    def load(*arguments, progress, **options):
        read.append((*arguments, options))
        for done, total in ((1, 0), (1, 4), (9, 4)):
            progress(done, total)
            seen.append((registry.status.state, registry.status.share))
        raise error(f"{tmp_path} is odd.")

    monkeypatch.setattr(catalogue, "load_image_set", load)
    registry = DatasetRegistry(tmp_path)
    assert registry.status.state == "reading"
    assert not registry.attach(tmp_path)
    registry.begin()
    registry.begin()
    status = settled(registry)
    assert read == [(tmp_path, "test", {"skip_bad": True, "fit": None})]
    assert seen == [("reading", 0.0), ("reading", 0.25), ("reading", 1.0)]
    assert status.state == "failed"
    assert status.message.startswith(str(tmp_path))
    assert said in status.message


def test_a_set_is_looked_for_once_where_it_was_last_read(cifake):
    fingerprint = load_image_set(cifake, "test").fingerprint
    registry = DatasetRegistry()
    assert [registry.recall(name) for name in (fingerprint, fingerprint, "0" * 64)] == [str(cifake), None, None]


def test_everybody_is_told_what_they_can_do_about_missing_pictures(monkeypatch):
    sentences = set()
    for state, is_local in (("reading", True), ("idle", True), ("idle", False)):
        status = catalogue.Attaching(state)
        monkeypatch.setattr(catalogue, "registry", lambda status=status: SimpleNamespace(status=status))
        monkeypatch.setattr(catalogue, "is_local", lambda is_local=is_local: is_local)
        sentences.add(catalogue.how_to_get_pictures())
    assert len(sentences) == 3


@pytest.fixture
def first(home, cifake, monkeypatch):
    """The home with `swift@cifake-test` too, whose pictures ship beside it."""
    monkeypatch.setitem(FINGERPRINTS, "test", load_image_set(cifake, "test").fingerprint)
    for name in ("paper", "swift"):
        write_run(home, make_detector(seed=len(name), manifest={"name": name}), load_image_set(cifake, "test"))
    write_shipped(home / SHIPPED, cifake)
    return home


def opened(open_page, page="explore", **params):
    """A page once all pictures are read."""
    params = {"run": ""} | params
    open_page(page, **params)
    # what a browser does that comes back
    catalogue.registry().begin()
    settled(catalogue.registry())
    return open_page(page, **params)


def told(app):
    """All that the page and its sidebar say, errors too."""
    return words(app) + " ".join(one.value for one in app.error)


@pytest.mark.parametrize("page", ["explore", "upload", "start"])
def test_without_an_address_every_page_opens_swift_on_cifake(open_page, first, page):
    app = opened(open_page, page)
    assert app.session_state["run"] == "swift@cifake-test"
    assert "All pictures are here." in told(app)
    assert "not available" not in told(app)
    # another run is a choice, and stays one
    assert open_page(page).session_state["run"] == RUN


def test_a_damaged_archive_is_a_sentence_and_the_rest_works(open_page, first, cifake, monkeypatch):
    monkeypatch.setenv("TELLTALE_LOCAL", "yes")
    # where they were read from is remembered
    shutil.rmtree(cifake)
    file = first / SHIPPED / ARCHIVE
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    app = opened(open_page)
    assert [error.value for error in app.error] == [
        f"{SHIPPED}/{ARCHIVE} is not the file that was written (its sha256 differs); restore it."
    ]
    assert str(first) not in told(app)
    assert "Accuracy" in opened(open_page, "detectors", run="swift@cifake-test").dataframe[0].value


def test_training_images_are_in_the_home_and_what_ships_is_read(open_page, first, cifake):
    data = first / "data" / "cifake"
    data.parent.mkdir()
    cifake.rename(data)
    opened(open_page)
    assert [found.split for found in catalogue.registry().sets] == ["test"]
    assert catalogue.registry().source == data


def test_the_first_visitor_sees_pictures_before_all_are_read(open_page, first):
    open_page("start", run="")
    assert catalogue.registry().status.state == "reading"
    run = library.open_run(first / "runs" / "swift@cifake-test")
    early = [library.pictures(run).get(row) for row in range(len(run.run))]
    catalogue.registry().begin()
    settled(catalogue.registry())
    assert early
    assert all(image is not None for image in early)
    for row, image in enumerate(early):
        np.testing.assert_array_equal(image, library.pictures(run).get(row))
