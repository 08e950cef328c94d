"""Every command and every page over image sets as people have them: each works, or says in a sentence why it cannot."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
import streamlit as st
import torch

import train
from core import explain, predict
from core.images.image_set import category_of
from core.report import __main__ as report
from core.runs.metrics import MOST_GROUPS
from core.runs.run import read_run
from core.studies import __main__ as studies
from core.studies.registry import STUDIES, find_study
from tests.core.any_detector import small_parameters
from tests.dashboard.conftest import PAGES, Open
from tests.dashboard.test_pages import settled, words
from tests.hostile.sets import SETS, make_many, write_set

QUICK = ("--width", "4", "--epochs", "1", "--device", "cpu", "--precision", "float32")
# what is asked of these sets; of the others, what depends on categories
WHOLE = ("every script", "an image a class")
STUDIES_BY_CATEGORY = ("probes", "clusters", "audit")
# these know nothing of names: they are asked of the set that has fewest images
OF_OTHER_THINGS = ("faithfulness", "agreement", "one_colour", "certainty", "stability", "sanity", "transfer")
PAGES_BY_CATEGORY = ("overview", "explore", "inspect", "evidence", "patterns", "data")
# that have no answer without images enough
OF_MANY = ("clusters", "audit")
ALL = (*SETS, "thousands")


class Walked(NamedTuple):
    """A set, the home of its detector, and their run."""

    data: Path
    home: Path
    run: Path


Walk = Callable[[str], Walked]


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Networks of this size are only slower with more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Walk:
    """A function that trains on a set once, and asks everything of it once."""
    made: dict[str, Walked] = {}

    def walked(name: str) -> Walked:
        if name not in made:
            folder = tmp_path_factory.mktemp("walk")
            data, home = folder / "data", folder / "home"
            if name == "thousands":
                make_many(home)
            else:
                write_set(data, SETS[name])
                done([*QUICK, "--data", data, "--out", home, "--name", "tiny", "--validation", "0"], train.main)
            made[name] = Walked(data, home, next((home / "runs").iterdir()))
        return made[name]

    return walked


@pytest.fixture
def home(request: pytest.FixtureRequest, walk: Walk, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home that the dashboard finds: of the set that the test is about."""
    folder = walk(request.getfixturevalue("name")).home
    monkeypatch.setenv("TELLTALE_HOME", str(folder))
    st.cache_resource.clear()
    return folder


def done(arguments: list[object], main: Callable[[list[str]], int]) -> None:
    """Run a command that must succeed."""
    assert main([str(argument) for argument in arguments]) == 0


def study(name: str, walked: Walked, *more: str) -> int:
    """Ask a study of a walk's run; where its images have no files, those of a small set are looked through for them."""
    data = str(walked.data) if walked.data.exists() else "sample"
    small = [f"--set={key}={value}" for key, value in small_parameters(find_study(name)).items()]
    return studies.main([name, "--run", str(walked.run), "--device", "cpu", "--data", data, *small, *more])


def sentence_of(capsys: pytest.CaptureFixture[str], *, command: str) -> str:
    """The one line that a command ends with."""
    said = capsys.readouterr().err.strip()
    assert said.startswith(f"{command}: ")
    assert "\n" not in said
    return said


@pytest.mark.parametrize("name", SETS)
# what a test before has left to the collector is not this one's
@pytest.mark.filterwarnings("error", "default::pytest.PytestUnraisableExceptionWarning")
def test_every_command_works(name: str, walk: Walk, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, home, run = walk(name)
    assert len(read_run(run)) == 2 * SETS[name].test
    capsys.readouterr()
    detector = home / "detectors" / "tiny"
    done([detector, "--data", data, "--out", tmp_path, "--device", "cpu"], predict.main)
    again = read_run(tmp_path / "runs" / run.name).predictions
    pd.testing.assert_frame_equal(again, read_run(run).predictions)
    for number, image in enumerate(sorted((data / "test" / "REAL").iterdir())[-2:]):
        out = tmp_path / f"explained {number}"
        done(
            [image, "--detector", detector, "--out", out, "--device", "cpu", "--set", "lime.n_samples=32"], explain.main
        )
    done([run, "--out", tmp_path / "whole.html"], report.main)
    done([run, "--out", tmp_path / "part.html", "--select", "true=REAL", "--data", data], report.main)
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        (name, asked)
        for name in ALL
        for asked in STUDIES
        if asked in STUDIES_BY_CATEGORY or (name in WHOLE and (asked not in OF_OTHER_THINGS or name == WHOLE[1]))
    ],
)
def test_every_study_answers_or_says_why_not(
    name: str, asked: str, walk: Walk, capsys: pytest.CaptureFixture[str]
) -> None:
    few = () if asked in ("audit", "transfer") else ("--images", "24" if asked == "clusters" else "2")
    status = study(asked, walk(name), *few)
    if name == "an image a class" and asked in OF_MANY:
        assert status == 2
        sentence_of(capsys, command="core.studies")
    else:
        assert status == 0, capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "page"), [(name, page) for name in ALL for page in PAGES if name in WHOLE or page in PAGES_BY_CATEGORY]
)
def test_every_page_opens(name: str, page: str, walk: Walk, open_page: Open) -> None:
    # after the studies, so that there is something to show
    run = read_run(walk(name).run)
    app = open_page(page, run=run.name, id=str(run.predictions["id"].iloc[-1]))
    if page == "inspect":
        settled(app)
    if page == "explore":
        app.session_state["explore.more"] = True
        app.run()
    assert not app.exception
    assert not app.error
    assert not app.warning
    assert len(app.title) == 1
    assert "Traceback" not in words(app)


@pytest.mark.parametrize("name", ["thousands"])
def test_of_more_than_a_thousand_categories_the_largest_are_drawn(
    name: str, walk: Walk, open_page: Open, tmp_path: Path
) -> None:
    run = walk(name).run
    app = open_page("overview", run=run.name)
    bars = next(one.proto for one in app.get("bidi_component") if one.proto.id.endswith("-categories"))
    assert len(json.loads(bars.json)["rows"]) == MOST_GROUPS
    assert f"The {MOST_GROUPS} of 1,200 categories with the most images" in words(app)
    done([run, "--out", tmp_path / "report.html"], report.main)
    assert (tmp_path / "report.html").stat().st_size < 1e6
    assert f"the {MOST_GROUPS} of 1,200 categories" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("lacking", ["no folder", "no file", "no image"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_one_class_is_a_sentence(tmp_path: Path, split: str, lacking: str, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_set(tmp_path / "data", SETS["no category"])
    fakes = data / split / "FAKE"
    for file in fakes.iterdir():
        file.write_text("no image") if lacking == "no image" else file.unlink()
    if lacking == "no folder":
        fakes.rmdir()
    out = ["--data", str(data), "--out", str(tmp_path / "out"), "--skip-bad", "--device", "cpu"]
    assert train.main([*QUICK, *out]) == 2
    assert f"{split}/FAKE" in sentence_of(capsys, command="train.py")
    if split == "test":
        assert predict.main(["sample", *out]) == 2
        assert "test/FAKE" in sentence_of(capsys, command="core.predict")
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("file", "category"),
    [
        ("photo-1.png", "photo"),
        ("صورة-١.png", "صورة"),
        ("👩\u200d👩\u200d👧-🎉.png", "👩\u200d👩\u200d👧"),
        ("\u202egnp.evil-\u202c1.png", "gnp.evil"),
        ("new\nline-1.png", "new line"),
        ("\x1b[31m-1.png", "[31m"),
        ("p1.png", None),
        (" -1.png", None),
        ("\u200b\ufeff-1.png", None),
    ],
)
def test_a_category_can_be_seen_and_turns_no_line(file: str, category: str | None) -> None:
    assert category_of(f"REAL/{file}") == category
