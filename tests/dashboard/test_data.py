"""The page Data: findings worst first against the audit's own numbers, ways to the images, and what it says without."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.runs.run import read_run
from core.studies.audit_summary import concerns
from core.studies.runner import Source, run_study
from core.studies.store import StudyResult, read_study
from core.studies.study import find_study
from dashboard.components.component import key_of
from dashboard.components.words import CLASS_WORDS
from tests.dashboard.conftest import Open
from tests.dashboard.studies import add_studies
from tests.dashboard.test_pages import words

RUN = "tiny@seen-test"
STUDIES = ("audit", "duplicates", "files")


@pytest.fixture(scope="session")
def audited(made_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The studies of the made run, computed once; copies are dealt."""
    home = tmp_path_factory.mktemp("audited") / "home"
    shutil.copytree(made_home, home)
    add_studies(home, "audit", "files")
    source = Source(home / "runs" / RUN, home / "detectors" / "tiny")
    run_study(replace(find_study("duplicates"), compute=dealt), source)
    return home / "runs" / RUN / "studies"


def dealt(context: Any, rows: np.ndarray, _parameters: Any) -> pd.DataFrame:
    """Three leaks, one of the other class; thirty near copies in pairs within the set; the rest is clean."""
    ids = context.run.predictions["id"].to_numpy(object)
    table = pd.DataFrame({"id": ids, "in_training": "none", "in_set": "none"})
    for name in ("training_class", "training_name", "training_id", "set_class", "set_name", "set_id"):
        table[name] = None
    for name in ("training_bits", "set_bits"):
        table[name] = np.float16(np.nan)
    for row, kind, same in ((0, "same file", "same"), (1, "near copy", "other"), (2, "same pixels", "same")):
        name = f"{'FAKE' if same == 'same' else 'REAL'}/{row:04d}.jpg"
        table.loc[row, ["in_training", "training_class", "training_name", "training_id", "training_bits"]] = [
            kind, same, name, f"train-{row:016d}", 4.0 * (kind == "near copy"),
        ]  # fmt: skip
    for row in range(10, 40):
        other = row + 1 if row % 2 == 0 else row - 1
        table.loc[row, ["in_set", "set_class", "set_name", "set_id", "set_bits"]] = [
            "near copy", "same", f"name {other}", ids[other], 2.0,
        ]  # fmt: skip
    columns = ["id", *find_study("duplicates").columns]
    return table[columns].iloc[rows].reset_index(drop=True)


@pytest.fixture
def studied(home: Path, audited: Path) -> Path:
    """The home that the dashboard finds, with those studies."""
    shutil.copytree(audited, home / "runs" / RUN / "studies")
    return home


def answer(home: Path, name: str) -> StudyResult:
    folder = home / "runs" / RUN
    return read_study(folder / "studies" / f"{name}.parquet", read_run(folder))


def plain(text: str) -> str:
    """Without the colours of the classes."""
    for name, coloured in CLASS_WORDS.items():
        text = text.replace(coloured, name)
    return text


def pairs(app: AppTest) -> list[dict[str, Any]]:
    """The pairs that are drawn."""
    found = [element for element in app.get("bidi_component") if "Pairs of copies" in str(element.proto)]
    return [] if not found else json.loads(found[0].proto.json)["pairs"]


@pytest.mark.parametrize("run", [RUN, "tiny@blind-test"])
def test_without_an_audit_it_says_what_to_type(open_page: Open, run: str) -> None:
    app = open_page("data", run=run)
    assert not app.exception
    assert not app.error
    assert app.title[0].value == "Which shortcuts does the data contain, and does the detector use them?"
    # its images are neither in the run nor CIFAKE's
    data = "" if run == RUN else " --data DATA"
    assert f"`python -m core study duplicates files audit --run {run}{data}`" in words(app)
    assert not app.get("plotly_chart")


def app_has_values(home: Path, key: str) -> bool:
    """Whether a fact has more than one value."""
    table = read_run(home / "runs" / RUN).predictions
    return key in table and table[key].nunique() > 1


def test_images_are_one_click_away(open_page: Open, studied: Path) -> None:
    worst = concerns(answer(studied, "audit"))[0]
    app = open_page("data", run=RUN)
    app.button(key=key_of("data.show", worst.key, "Highest first")).click().run()
    assert not app.exception
    assert app.title[0].value == "Browse the images"
    assert app.query_params["sort"] == f"-{worst.key}"
    app = open_page("data", run=RUN)
    app.button(key="data.in_training.same file").click().run()
    assert not app.exception
    assert app.query_params["duplicates.in_training"] == "same file"
    assert "**1** of 60 images" in words(app)


@pytest.mark.parametrize("name", STUDIES[:2])
def test_a_broken_study_is_one_sentence(open_page: Open, studied: Path, name: str) -> None:
    file = studied / "runs" / RUN / "studies" / f"{name}.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    app = open_page("data", run=RUN)
    assert not app.exception
    assert [error.value.startswith(f"tiny@seen-test/studies/{name}.parquet is no") for error in app.error] == [True]
    assert str(studied) not in words(app)
    assert bool(app.get("plotly_chart")) == (name == "duplicates")
