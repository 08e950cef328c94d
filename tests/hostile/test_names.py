"""Detectors and studies of any name: every page shows them, and what is pressed reaches the right one."""

import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from core.detectors.storage import load_detector, save_detector
from core.runs.run import read_run
from core.runs.writing import write_run
from core.storage import is_plain_name
from core.studies.store import study_path, write_study
from dashboard.components.component import key_of
from tests.dashboard.conftest import PAGES, Open, image_set
from tests.dashboard.test_pages import settled
from tests.hostile.test_files import DETECTOR, RUN

NAMES = (
    "a__b", "__", "a:b", ":red[a]", ":material_home:", "a.b.picture", "a'b\"c", "<b>a", "a b", "$a$", "![a](b)",
    "a\N{ZERO WIDTH SPACE}b",
    "\N{GRINNING FACE}", "日本語", "عربى", "a" * 200, "%2e%2e", "a&b", "a#b?c=d", "NUL", "$$ID-a-b",
)  # fmt: skip


@pytest.fixture
def named(home: Path, request: pytest.FixtureRequest) -> str:
    """A home whose run was made by a detector of the name that the test asks for, and that has another one."""
    name: str = request.param
    detector = load_detector(home / "detectors" / "other", device="cpu")
    save_detector(home / "detectors" / name, detector, model_card=f"# {name}")
    detector = load_detector(home / "detectors" / name, device="cpu")
    write_run(home, detector, image_set("made-test", 24), ship_images=True)
    shutil.rmtree(home / "detectors" / "other")
    shutil.rmtree(home / "runs" / "other@made-test")
    return name


@pytest.mark.parametrize("named", NAMES, indirect=True)
def test_a_detector_of_any_name_is_asked(named: str, open_page: Open) -> None:
    run = f"{named}@made-test"
    for page, beside in (("inspect", {"beside": DETECTOR, "methods": "gradcam"}), ("upload", {"by": named})):
        app = settled(open_page(page, run=run, **beside))
        assert not app.exception, page
        assert not app.error
        if page == "upload":
            (by,) = (box for box in app.selectbox if box.label == "Detector")
            assert by.value == named
        else:
            # both have drawn their maps
            keys = {element.key for element in app.button}
            assert not any("__" in key.partition("url.")[0] for key in keys if key)


@pytest.mark.parametrize("named", [":red[a__b]"], indirect=True)
@pytest.mark.parametrize("page", PAGES)
def test_every_page_shows_it(named: str, open_page: Open, page: str) -> None:
    app = open_page(page, run=f"{named}@made-test")
    assert not app.exception
    assert not app.error


@pytest.mark.parametrize("study", ["a__b", "remove", "also", "a b", "![a](b)"])
def test_a_study_may_call_its_columns_anything(home: Path, open_page: Open, study: str) -> None:
    run = read_run(home / "runs" / RUN)
    about = pq.read_schema(study_path(run.path, "brightness")).metadata
    assert about is not None
    names = ["0", "c__d", "more", ":blue[x]", "$x$", "e.f", "<i>"]
    table = pd.DataFrame({name: [float(number % 5) for number in range(len(run))] for name in names})
    table.insert(0, "id", run.predictions["id"])
    table["kind"] = ["__", ":red[x]"] * (len(run) // 2)
    said = {
        "study": study, "title": study, "question": "?", "columns": {}, "parameters": {}, "findings": [],
        "images": len(run), "whole": False,
        **{key: run.manifest[key] for key in ("detector_sha256", "set_fingerprint")},
    }  # fmt: skip
    write_study(study_path(run.path, study), table, said)
    app = open_page("explore", run=RUN)
    app.session_state["explore.more"] = True
    app.run()
    assert not app.exception
    keys = {slider.key for slider in app.slider}
    assert {key_of("explore.column", f"{study}.{name}") for name in names} <= keys
    app.slider(key=key_of("explore.column", f"{study}.c__d")).set_value((1.0, 3.0)).run()
    assert not app.exception
    assert f"{study}.c__d" in app.query_params


def test_keys_are_told_apart_and_hold_nothing_of_a_name() -> None:
    keys = [key_of("a", "b", "c"), key_of("a", "b"), key_of("a", "bc"), key_of("a", "b.c"), key_of("b", "b", "c")]
    assert len(set(keys)) == 5
    assert key_of("a", "b", 3) == key_of("a", "b", 3)
    assert all("__" not in key_of("a", name) and key_of("a", name).isascii() for name in NAMES)


def test_half_a_letter_is_no_name() -> None:
    assert all(map(is_plain_name, NAMES))
    assert not any(map(is_plain_name, ("a\ud800", "a\nb", "a/b", ".a", "")))
