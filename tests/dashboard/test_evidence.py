"""The page Evidence on a run with its studies, without them, with a broken one, and on nonsense in the URL."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.detectors.storage import load_detector
from core.findings.claims import ClaimStatus, claim_status
from core.findings.words import tell
from core.perturbations.probe import FAMILIES, size_column
from core.perturbations.table import PROBES
from core.runs.filter import Filter
from core.runs.rows import find_rows
from core.runs.run import read_run
from core.runs.writing import write_run
from core.studies import out_of_distribution, probes
from core.studies.columns import browse_table
from core.studies.flips import flip_rates, ranking, read_flips
from core.studies.neighbours import study as neighbours
from core.studies.probes import conclude
from core.studies.runner import run_study
from core.studies.source import Source
from core.studies.store import read_study, write_study
from dashboard.components.study import markdown
from dashboard.components.words import CLASS_WORDS, percent
from dashboard.views.evidence_parts import answers
from dashboard.views.evidence_parts import probe as one_probe
from dashboard.views.evidence_parts.ranking import easiest
from tests.core.studies.counted import PARAMETERS, counted
from tests.dashboard.conftest import ROOT, Open, image_set
from tests.dashboard.test_pages import words

RUN = "tiny@seen-test"


def drawn(app: AppTest, key: str) -> dict[str, Any]:
    """What one of our own elements is given."""
    found = [one.proto for one in app.get("bidi_component") if one.proto.id.endswith(f"-{key}")]
    assert len(found) == 1, [one.proto.id for one in app.get("bidi_component")]
    return dict(json.loads(found[0].json))


@pytest.fixture(scope="module")
def made_studies(made_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The studies of `tiny@seen-test` that the page shows."""
    home = tmp_path_factory.mktemp("studied") / "home"
    shutil.copytree(made_home, home)
    source = Source(home / "runs" / RUN, home / "detectors" / "tiny", device="cpu")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TELLTALE_CACHE", str(tmp_path_factory.mktemp("cache")))
        for study in (probes.STUDY, neighbours.STUDY, out_of_distribution.STUDY.with_parameters({"crops": 1})):
            run_study(study, source)
    return source.run / "studies"


@pytest.fixture
def studies(made_studies: Path, home: Path) -> Path:
    """The studies in the home that the dashboard finds."""
    folder = home / "runs" / RUN / "studies"
    shutil.copytree(made_studies, folder)
    st.cache_resource.clear()
    return folder


def test_the_page_says_what_the_study_found(open_page: Open, studies: Path) -> None:
    app = open_page("evidence", run=RUN)
    assert not app.exception
    assert not app.error
    text = words(app)
    run = read_run(studies.parent)
    for name in ("probes", "neighbours", "transfer"):
        for finding in read_study(studies / f"{name}.parquet", run).findings:
            told = tell(finding)
            assert markdown(told.full) in text


def test_every_answer_stands_beside_its_controls_and_its_choices(open_page: Open, studies: Path) -> None:
    run = read_run(studies.parent)
    found = {one.key: one for one in read_study(studies / "probes.parquet", run).findings}
    rows = drawn(open_page("evidence", run=RUN), "evidence.answers")["rows"]
    assert [row["question"] for row in rows] == [family.question for family in FAMILIES.values()]
    for family, row in zip(FAMILIES, rows, strict=True):
        for line in row["lines"]:
            one = found[f"{family}-{line['verdict']}"]
            assert (line["share"], line["low"], line["high"]) == (one.measure.value, one.measure.low, one.measure.high)
            assert (line["state"] == "claimed") == ((claim_status(one).kind, claim_status(one).sign) == ("holds", 1))
            probe = PROBES[line["probe"]]
            assert len(line["controls"]) == len(probe.controls)
            if one.control is not None:
                assert max(mark["share"] for mark in line["controls"]) == one.control.measure.value
            ways = sum(1 + len(keys) for keys in probe.others.values())
            assert len(line["ways"]) <= (len(probe.strengths) if probe.strengths_are else ways)
            assert str(tell(one).standing) in line["label"]
            assert "".join(text for text, _ in line["words"]).endswith(".")
            assert "interval" not in {kind for _, kind in line["words"]}


def test_a_change_that_flips_fewer_than_its_control_is_left_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seams = {"shuffle_blend": "shuffle_blend_stay", "shuffle": "shuffle_turn", "shuffle_fade": "shuffle_fade_turn"}
    turned = {f"{key}_8": 0.5 for key in seams} | {f"{key}_8": 0.9 for key in seams.values()}
    run, table = counted({}, turned, tmp_path, images=400)
    found = [one for one in conclude(run, table, PARAMETERS) if one.key == "blocks-FAKE"]
    assert [claim_status(one) for one in found] == [ClaimStatus("holds", -1)]
    given: list[dict[str, Any]] = []
    monkeypatch.setattr(answers, "_mount", lambda data, **_: given.append(data) or SimpleNamespace(see=None))
    answers.draw_answers(found, sees="detail")
    assert [line["state"] for row in given[0]["rows"] for line in row["lines"]] == ["open"]


def test_the_rankings_hold_the_rates_of_each_verdict_and_their_controls(open_page: Open, studies: Path) -> None:
    run = read_run(studies.parent)
    turns = read_flips(run, read_study(studies / "probes.parquet", run).table)
    app = open_page("evidence", run=RUN, all="yes", order="most")
    for verdict in ("FAKE", "REAL"):
        rows = drawn(app, f"evidence.ranking.{verdict}")["rows"]
        shares = [row["share"] for row in rows]
        assert shares == sorted(shares, reverse=True)
        expected = ranking(flip_rates(turns), verdict=verdict).set_index("column")
        assert {row["key"] for row in rows} == set(expected.index)
        for row in rows:
            found = expected.loc[row["key"]]
            assert (row["share"], row["low"], row["high"]) == tuple(found[["share", "low", "high"]])
            control = found["control_share"]
            assert row["control"] == (None if np.isnan(control) else control)
            assert percent(found["share"]) == row["number"]
            if row["key"].startswith("lowpass_"):
                radius = float(row["key"].removeprefix("lowpass_"))
                assert row["note"].startswith(
                    f"radius {radius:g}, wavelengths under {round(32 / radius, 1):g} pixels · "
                )
            assert row["note"].endswith("no control") == np.isnan(control) == (row["control"] is None)
    first = drawn(open_page("evidence", run=RUN), "evidence.ranking.FAKE")["rows"]
    assert [row["key"] for row in first] == list(ranking(flip_rates(turns), verdict="FAKE")["column"][:8])


def test_the_easiest_change_is_one_that_beats_its_control_and_where_none_does_it_says_so() -> None:
    beaten = ("jpeg", "Recompressing as JPEG", "quality 50", 0.75, "jpeg_control", 0.02)
    without_control = ("noise", "Adding noise", "1 level", 0.5, None, 0.4)
    as_often = ("shuffle_blend", "Shuffling blocks", "8 pixels", 0.9, "shuffle_blend_stay", 0.0)
    columns = ["probe", "title", "strength", "share", "control", "per_level"]
    tops = {
        "FAKE": pd.DataFrame([beaten, without_control, as_often], columns=columns),
        "REAL": pd.DataFrame([without_control, as_often], columns=columns),
    }
    assert easiest(SimpleNamespace(tops=tops)) == (  # type: ignore[arg-type]
        f"For its size, recompressing as JPEG (quality 50) flips {percent(0.75)} of {CLASS_WORDS['FAKE']} verdicts; "
        f"no change flips {CLASS_WORDS['REAL']} verdicts significantly more often than its control does."
    )


def test_a_link_of_a_bar_shows_exactly_the_images_that_turn(open_page: Open, studies: Path) -> None:
    run = read_run(studies.parent)
    table = read_study(studies / "probes.parquet", run).table.set_index("id")
    called = run.predictions.set_index("id")["predicted"]
    for verdict, ends in (("FAKE", "0.."), ("REAL", "..0")):
        app = open_page("explore", **{"run": RUN, "said": verdict, "probes.lowpass_8": ends})
        after = table["lowpass_8"].astype(float) > 0
        expected = ((called == verdict) & (after != (verdict == "REAL"))).sum()
        assert not app.exception
        assert f"**{expected}** of 60 images" in words(app) or (not expected and "No image fits" in words(app))


def test_a_probe_is_shown_with_its_controls_and_the_verdicts_that_they_make(open_page: Open, studies: Path) -> None:
    run = read_run(studies.parent)
    answer = read_study(studies / "probes.parquet", run)
    rates = flip_rates(read_flips(run, answer.table)).set_index(["verdict", "column"])
    app = open_page("evidence", run=RUN, probe="shuffle", picture="3")
    assert app.selectbox(key="url.probe").value == "shuffle"
    seen = drawn(app, "evidence.see")
    probe = PROBES["shuffle"]
    assert seen["heads"] == ["as it is", *(strength.told for strength in probe.strengths)]
    titles = [row["title"] for row in seen["rows"]]
    assert titles == [
        probe.title, "What was changed", *(f"Control: {PROBES[key].inline}" for key in probe.controls)
    ]  # fmt: skip
    for strength, cell in zip(probe.strengths, seen["rows"][0]["cells"][1:], strict=True):
        shown = {rate["name"]: rate["text"] for rate in cell["rates"]}
        assert shown == {
            verdict: f"{percent(rates.loc[(verdict, probe.column(strength.key)), 'share'])} flip"
            for verdict in ("FAKE", "REAL")
        }
    frames = {cell["edge"] for row in (seen["rows"][0], *seen["rows"][2:]) for cell in row["cells"] if cell}
    assert frames <= {"FAKE", "REAL"}
    app.button(key="evidence.next").click().run()
    assert app.query_params["picture"] == "4"
    assert drawn(app, "evidence.see") != seen


def test_the_picture_shown_first_is_one_that_the_change_turns_and_its_control_does_not(
    open_page: Open, studies: Path
) -> None:
    run = read_run(studies.parent)
    table = read_study(studies / "probes.parquet", run).table
    called = run.predictions.set_index("id")["predicted"].reindex(table["id"]).to_numpy() == "REAL"
    after = {key: [table[name].to_numpy(float) > 0 for name in PROBES[key].columns] for key in ("blur", "lowpass")}
    control = [table[name].to_numpy(float) > 0 for name in PROBES["lowpass_control"].columns]
    alone = {
        "blur": np.any([one != called for one in after["blur"]], axis=0),
        "lowpass": np.any(
            [(one != called) & (other == called) for one, other in zip(after["lowpass"], control, strict=True)], axis=0
        ),
    }
    for probe, turned in alone.items():
        assert turned.any()
        seen = drawn(open_page("evidence", run=RUN, probe=probe), "evidence.see")
        own, *changed = seen["rows"][0]["cells"]
        beside = [row["cells"][1:] for row in seen["rows"][2:]]
        assert any(
            cell["edge"] != own["edge"] and all(row[place]["edge"] == own["edge"] for row in beside)
            for place, cell in enumerate(changed)
        )


def test_what_an_image_lends_is_told_of_those_that_it_turns(open_page: Open, studies: Path) -> None:
    """Detail of images called REAL turns images called FAKE, and bears their name and colour."""
    run = read_run(studies.parent)
    rates = flip_rates(read_flips(run, read_study(studies / "probes.parquet", run).table))
    rates = rates.set_index(["verdict", "column"])
    app = open_page("evidence", run=RUN, probe="lend", strength="8")
    cell = drawn(app, "evidence.see")["rows"][0]["cells"][-1]
    for lender, turned in (("REAL", "FAKE"), ("FAKE", "REAL")):
        share = percent(rates.loc[(lender, "lend_8"), "share"])
        assert {"name": turned, "text": f"{share} flip"}.items() <= next(
            rate.items() for rate in cell["rates"] if rate["name"] == turned
        )
        groups = drawn(app, f"evidence.groups.{lender}")
        assert groups["title"] == f"Share of {turned} verdicts that flip, by group"
        assert groups["hue"] == turned
    assert "whose detail flips FAKE ones" in words(app)


@pytest.mark.parametrize("by", ["category", "cell"])
def test_groups_are_those_of_the_run(open_page: Open, studies: Path, by: str) -> None:
    run = read_run(studies.parent)
    turns = read_flips(run, read_study(studies / "probes.parquet", run).table)
    app = open_page("evidence", run=RUN, probe="blur", strength="2", by=by)
    rates = flip_rates(turns, by=by, probes=("blur",))  # type: ignore[arg-type]
    for verdict in ("FAKE", "REAL"):
        expected = rates[(rates["verdict"] == verdict) & (rates["column"] == "blur_2") & (rates["images"] > 0)]
        rows = {row["key"]: row["share"] for row in drawn(app, f"evidence.groups.{verdict}")["rows"]}
        assert rows == dict(zip(expected["group"], expected["share"], strict=True))


@pytest.mark.parametrize(("groups", "leads"), [(["unknown"], [[]]), (["unknown", "cat"], [])])
def test_the_bar_of_images_without_a_category_leads_to_them_where_it_is_of_all(
    monkeypatch: pytest.MonkeyPatch, groups: list[str], leads: list[list[Any]]
) -> None:
    opened: list[Any] = []
    monkeypatch.setattr(st, "query_params", {})
    monkeypatch.setattr(one_probe, "bar_of", lambda row, **_: row)
    monkeypatch.setattr(one_probe, "controlled_rates", lambda *_, **__: SimpleNamespace(rate="unknown"))
    monkeypatch.setattr(one_probe, "open_turned", lambda *given: opened.append(given[-1]))
    rates = pd.DataFrame({"group": groups, "share": 0.5, "images": 9, "column": "blur_2", "flipped": "FAKE"})
    evidence: Any = SimpleNamespace(rate=lambda *_: None)
    one_probe._draw_group(SimpleNamespace(), evidence, "FAKE", rates)  # type: ignore[arg-type]
    assert opened == leads


def test_without_studies_the_page_says_how_to_make_them(open_page: Open) -> None:
    app = open_page("evidence", run=RUN)
    assert not app.exception
    for name in ("probes", "transfer", "neighbours"):
        assert f"python -m core.studies {name} --run {RUN}" in words(app)


def test_a_broken_study_is_one_sentence_and_the_rest_stays(open_page: Open, studies: Path, home: Path) -> None:
    (studies / "probes.parquet").write_bytes(b"PAR1 and nothing else")
    app = open_page("evidence", run=RUN)
    assert not app.exception
    assert len(app.error) == 1
    assert "probes.parquet is no readable study" in app.error[0].value
    assert str(home) not in words(app)
    run = read_run(studies.parent)
    assert markdown(tell(read_study(studies / "neighbours.parquet", run).findings[0]).answer) in words(app)


@pytest.mark.parametrize("key", ["shuffle_blend", "ring", "lowpass", "blur"])
def test_a_file_that_lacks_a_probe_or_its_controls_is_shown_as_far_as_it_goes(
    open_page: Open, studies: Path, key: str
) -> None:
    path = studies / "probes.parquet"
    whole = read_study(path, read_run(studies.parent))
    gone = [name for one in (key, *PROBES[key].controls[:1]) for name in PROBES[one].columns if name in whole.table]
    assert gone
    write_study(path, whole.table.drop(columns=[*gone, *map(size_column, gone)]), whole.about)
    app = open_page("evidence", run=RUN, probe=key)
    assert not app.exception
    assert "have not been computed yet" in words(app)


def test_nonsense_in_the_url_is_the_default_view(open_page: Open, studies: Path) -> None:
    plain = open_page("evidence", run=RUN)
    nonsense = {"probe": "lowpass_control", "picture": "99", "order": "<b>", "all": "?", "by": "!", "strength": "nan"}
    strange = open_page("evidence", run=RUN, **nonsense, **{"probes.absent": "0..", "a.b": "", "sort": "-x.y"})
    assert not strange.exception
    assert words(strange) == words(plain)
    for key in ("evidence.ranking.FAKE", "evidence.see", "evidence.groups.REAL"):
        assert drawn(strange, key) == drawn(plain, key)


def test_a_run_without_pictures_is_shown_on_another_runs(open_page: Open, studies: Path, home: Path) -> None:
    shutil.copytree(studies, home / "runs" / "tiny@blind-test" / "studies")
    app = open_page("evidence", run="tiny@blind-test")
    assert not app.exception
    assert "No picture is at hand" in words(app)
    assert drawn(app, "evidence.ranking.FAKE")["rows"][0]["source"] is None
    write_run(home, load_detector(home / "detectors" / "tiny"), image_set("sample-test"), ship_images=True)
    app = open_page("evidence", run="tiny@blind-test")
    assert "The picture is from sample-test" in words(app)
    assert drawn(app, "evidence.ranking.FAKE")["rows"][0]["source"].startswith("data:image/png")


def test_the_page_reads_no_torch(studies: Path) -> None:
    code = """
import sys
from streamlit.testing.v1 import AppTest
app = AppTest.from_file("dashboard/main.py", default_timeout=120)
app.query_params["run"] = "tiny@seen-test"
app.run()
app.switch_page("views/evidence.py").run()
assert not app.exception, app.exception
assert app.title[0].value == "What does the detector read?", app.title
heavy = {"torch", "torchvision", "torchcam", "lime", "skimage"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_filters_of_columns_that_are_not_offered_stand_beside_the_others(home: Path, studies: Path) -> None:
    table = browse_table(read_run(studies.parent))
    assert "probes.turned_by" in table
    assert "probes.lowpass_8" not in table
    assert len(find_rows(table, Filter.from_params({"probes.lowpass_8": "0.."}, table))) == 60
