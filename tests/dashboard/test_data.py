"""The page Data: findings worst first against the audit's own numbers, ways to the images, and what it says without."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.detectors.storage import load_detector
from core.findings.words import tell
from core.findings.words.audit import overall, verdict
from core.images.loading import load_image_set
from core.runs.run import read_run
from core.runs.writing import write_run
from core.studies.audit.names import CHANNELS
from core.studies.audit.summary import concerns
from core.studies.registry import find_study
from core.studies.result import StudyResult
from core.studies.runner import run_study
from core.studies.source import Source
from core.studies.store import read_study
from dashboard.components.component import key_of
from dashboard.components.study import markdown
from dashboard.components.words import CLASS_WORDS
from dashboard.views.data_parts import copies
from dashboard.views.data_parts import pairs as pairs_of_copies
from dashboard.views.data_parts.audit import together
from tests.dashboard.conftest import Open, image_set
from tests.dashboard.studies import add_studies
from tests.dashboard.test_pages import words
from tests.hostile.damage import reseal

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
    assert app.title[0].value == "What shortcuts could it have learned?"
    # its images are neither in the run nor CIFAKE's
    data = "" if run == RUN else " --data DATA"
    assert f"`python -m core.studies duplicates files audit --run {run}{data}`" in words(app)
    assert not app.get("plotly_chart")


def test_findings_come_worst_first_with_the_audits_own_numbers(open_page: Open, studied: Path) -> None:
    app = open_page("data", run=RUN)
    assert not app.exception
    assert not app.error
    said = plain(words(app))
    found = [one for one in concerns(answer(studied, "audit")) if one.key != "leak"]
    flaws = [one for one in found if one.is_flaw]
    assert flaws
    # a sentence, then its comparison
    groups = together(flaws)
    assert sorted(one.key for group in groups for one in group) == sorted(one.key for one in flaws)
    places = [said.index(plain(markdown(tell(one.cue).answer))) for group in groups for one in group]
    assert places == sorted(places)
    assert all(plain(markdown(tell(one.lean).answer)) in said for one in flaws)
    for one in flaws:
        assert str(verdict(one.cue, one.lean))[1:] in said
    metrics = {metric.label: metric.value for metric in app.metric}
    table = answer(studied, "audit").table.set_index("name")
    assert metrics["Strongest simple cue"] == found[0].name.title
    assert metrics["Logistic-regression baseline"] == f"{100 * table.loc['spectrum', 'accuracy']:.1f}%"
    assert f"the network gets {100 * table.loc['network', 'accuracy']:.1f}%" in said
    assert metrics["Train-test leakage"] == "3"
    each = "1 identical (leaks), 1 with the same pixels in another file and 1 nearly identical"
    assert f"have a copy in the training set: {each}." in said
    assert metrics["Repeats"] == "1"
    drawn = app.get("plotly_chart")
    assert all(chart.proto.alt for chart in drawn)
    # one for all, one for each fact that varies, the spectrum, and the baseline
    assert len(drawn) == 3 + sum(app_has_values(studied, one.key) for one in found)
    assert "Intervals assume independent images." in said
    assert len(app.get("download_button")) == 2


def app_has_values(home: Path, key: str) -> bool:
    """Whether a fact has more than one value."""
    table = read_run(home / "runs" / RUN).predictions
    return key in table and table[key].nunique() > 1


def test_the_channels_of_colour_share_a_card_where_the_first_of_them_stands(studied: Path) -> None:
    found = [one for one in concerns(answer(studied, "audit")) if one.key != "leak"]
    groups = [[one.key for one in group] for group in together(found)]
    channels = [one.key for one in found if one.key in CHANNELS]
    assert len(channels) == 3
    assert groups.index(channels) == [one.key for one in found].index(channels[0])
    assert [group for group in groups if group != channels] == [[one.key] for one in found if one.key not in CHANNELS]


def test_the_chart_says_what_the_audit_found(open_page: Open, studied: Path) -> None:
    app = open_page("data", run=RUN)
    found = concerns(answer(studied, "audit"))
    chart = json.loads(app.get("plotly_chart")[0].proto.spec)
    assert chart["layout"]["yaxis"]["ticktext"] == [one.name.title for one in found]
    first = chart["data"][0]["customdata"][0]
    assert first[:2] == [found[0].name.title, f"{100 * found[0].cue.measure.value:.1f}"]


def test_an_audit_of_too_few_images_says_so_and_compares_with_the_larger_class(open_page: Open, home: Path) -> None:
    # two are FAKE and three REAL
    detector = load_detector(home / "detectors" / "tiny", device="cpu")
    run = write_run(home, detector, image_set("few-test", 5), ship_images=True)
    add_studies(home, "audit", run=run.name)
    app = open_page("data", run=run.name)
    assert not app.exception
    assert "There are too few images of each class to test a cue." in [one.value for one in app.info]
    assert "Guessing gets the share of the larger class." in words(app)
    baselines = json.loads(app.get("plotly_chart")[-1].proto.spec)
    assert [shape["x0"] for shape in baselines["layout"]["shapes"]] == pytest.approx([0.6])


def test_copies_that_tell_nothing_are_no_test_of_a_cue(open_page: Open, home: Path, cifake: Path) -> None:
    images = load_image_set(cifake, "test").limited(8)
    run = write_run(home, load_detector(home / "detectors" / "tiny", device="cpu"), images, ship_images=True)
    # training images are at hand, and too few of each class for any fact
    file = run_study(find_study("audit"), Source(run, home / "detectors" / "tiny", str(cifake)))
    assert [(one.key, one.is_flaw) for one in concerns(read_study(file, read_run(run)))] == [("leak", False)]
    app = open_page("data", run=run.name)
    assert not app.exception
    assert markdown(overall([])) in [one.value for one in app.markdown]
    assert "There are too few images of each class to test a cue." in [one.value for one in app.info]


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


def test_copies_are_counted_by_kind_and_class(open_page: Open, studied: Path) -> None:
    said = plain(words(open_page("data", run=RUN)))
    assert "nearly the same picture: 0 REAL, 1 FAKE; **1 of the other class**" in said
    assert "the same file, byte for byte: 0 REAL, 1 FAKE\n" in said
    labels = read_run(studied / "runs" / RUN).predictions["label"].iloc[10:40]
    assert f"nearly the same picture: {(labels == 'REAL').sum()} REAL, {(labels == 'FAKE').sum()} FAKE" in said
    assert "The same file, byte for byte: none." in said


@pytest.mark.parametrize("looked", [True, False])
def test_what_was_not_looked_for_without_the_training_images_is_not_counted(
    open_page: Open, studied: Path, looked: bool
) -> None:
    folder = studied / "runs" / RUN
    reseal(folder, leaks_checked=looked)
    run_study(find_study("duplicates"), Source(folder, studied / "detectors" / "tiny"))
    app = open_page("data", run=RUN)
    assert not app.exception
    leakage = next(metric.value for metric in app.metric if metric.label == "Train-test leakage")
    if looked:
        assert leakage == str(read_run(folder).predictions["in_train"].sum())
        assert "are also training images, file for file; other copies were not looked for" in words(app)
    else:
        assert leakage == "not checked"
        assert "The training images were not available." in words(app)


def test_pairs_are_shown_as_pictures_those_of_the_other_class_first(open_page: Open, studied: Path) -> None:
    app = open_page("data", run=RUN)
    shown = pairs(app)
    ids = read_run(studied / "runs" / RUN).predictions["id"]
    assert [pair["id"] for pair in shown] == [ids[1], ids[2]]
    assert shown[0]["clash"]
    assert (shown[0]["left"]["is"], shown[0]["right"]["is"]) == ("FAKE", "REAL")
    assert not shown[1]["clash"]
    assert shown[0]["left"]["source"].startswith("data:image/png")
    # the training images are not at hand
    assert shown[0]["right"]["source"] is None
    app = open_page("data", run=RUN, side="in_set")
    inside = pairs(app)
    assert len(inside) == 12
    assert all(pair["left"]["source"] and pair["right"]["source"] for pair in inside)
    assert len({frozenset((pair["left"]["source"], pair["right"]["source"])) for pair in inside}) == 12
    app.button(key="data.more").click().run()
    assert app.query_params["pairs"] == "24"
    assert len(pairs(app)) == 15
    assert all(button.key != "data.more" for button in app.button)


def test_a_copy_in_the_set_is_of_its_own_class_and_one_among_copies_of_both_classes_is_marked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[dict[str, Any]] = []
    monkeypatch.setattr(
        pairs_of_copies, "_mount", lambda *, data, **_: drawn.extend(data["pairs"]) or SimpleNamespace(open=None)
    )
    table = pd.DataFrame({"label": ["REAL", "REAL", "FAKE", "REAL"], "name": list("abcd")})
    opened: Any = SimpleNamespace(table=table, rows=pd.Index(table["name"]), row_of=list("abcd").index)
    # the study says of a copy whether its group has both classes
    found = [("a", "b", "other"), ("b", "c", "other"), ("d", "a", "same")]
    copied = pd.DataFrame(found, columns=["id", "partner", "same"]).assign(kind="near copy", name="x.png", bits=2.0)
    pairs_of_copies.pair_pictures(opened, copied, SimpleNamespace(get=lambda _: None), training=None, key="pairs")  # type: ignore[arg-type]
    assert [(pair["right"]["is"], pair["clash"]) for pair in drawn] == [
        ("REAL", "Copies of both classes."), ("FAKE", "Other class."), ("REAL", ""),
    ]  # fmt: skip


def test_a_training_image_in_a_folder_of_its_class_is_of_that_class(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever class its pair was counted as: that is of all its copies."""
    drawn: list[dict[str, Any]] = []
    monkeypatch.setattr(
        pairs_of_copies, "_mount", lambda *, data, **_: drawn.extend(data["pairs"]) or SimpleNamespace(open=None)
    )
    table = pd.DataFrame({"label": ["REAL"] * 3, "name": list("abc")})
    opened: Any = SimpleNamespace(table=table, rows=pd.Index(table["name"]), row_of=list("abc").index)
    found = [("a", "REAL/0001.jpg", "other"), ("b", "FAKE/0001.jpg", "same"), ("c", "0001.jpg", "other")]
    copied = pd.DataFrame(found, columns=["id", "name", "same"]).assign(kind="near copy", partner="train-1", bits=2.0)
    pairs_of_copies.pair_pictures(opened, copied, SimpleNamespace(get=lambda _: None), training={}, key="pairs")  # type: ignore[arg-type]
    assert [(pair["right"]["is"], pair["clash"]) for pair in drawn] == [
        ("REAL", "Copies of both classes."), ("FAKE", "Other class."), ("FAKE", "Other class."),
    ]  # fmt: skip


def test_a_training_picture_that_was_missing_is_looked_for_again(cifake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "image_sets", SimpleNamespace(registry=lambda: SimpleNamespace(source=str(cifake))))
    opened = SimpleNamespace(run=SimpleNamespace(manifest={"set": "images-test"}))
    file = next((cifake / "train" / "REAL").iterdir())
    content = file.read_bytes()
    identity = f"train-{hashlib.sha256(content).hexdigest()[:16]}"
    wanted = pd.DataFrame({"partner": [identity], "name": [f"REAL/{file.name}"]})
    file.unlink()
    assert copies._training(opened, wanted) == {}  # type: ignore[arg-type]
    file.write_bytes(content)
    assert set(copies._training(opened, wanted)) == {identity}  # type: ignore[arg-type]


@pytest.mark.parametrize("name", STUDIES[:2])
def test_a_broken_study_is_one_sentence(open_page: Open, studied: Path, name: str) -> None:
    file = studied / "runs" / RUN / "studies" / f"{name}.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    app = open_page("data", run=RUN)
    assert not app.exception
    assert [error.value.startswith(f"tiny@seen-test/studies/{name}.parquet is no") for error in app.error] == [True]
    assert str(studied) not in words(app)
    assert bool(app.get("plotly_chart")) == (name == "duplicates")


def test_nonsense_in_the_url_is_the_default_view(open_page: Open, studied: Path) -> None:
    usual, strange = open_page("data", run=RUN), open_page("data", run=RUN, side="<b>", pairs="1e99")
    assert not strange.exception
    assert words(strange) == words(usual)
    assert pairs(strange) == pairs(usual)
