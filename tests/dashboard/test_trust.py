"""The page Trust: its numbers against the studies' own columns, and what it says where there are none."""

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from core.findings.claims import sign_of
from core.findings.numbers import percent, signed
from core.findings.words import tell
from core.findings.words.faithfulness import in_short, trusted
from core.metrics.intervals import weighted_mean
from core.runs.metrics import wilson_interval
from core.runs.run import read_run
from core.studies.explanations import judged
from core.studies.registry import find_study
from core.studies.store import read_study
from tests.dashboard.conftest import Open
from tests.dashboard.studies import TRUST, add_studies
from tests.dashboard.test_pages import settled, words

RUN = "tiny@seen-test"


def study(home: Path, name: str) -> pd.DataFrame:
    """A study's rows with the verdict of each."""
    run = read_run(home / "runs" / RUN)
    answer = read_study(home / "runs" / RUN / "studies" / f"{name}.parquet", run)
    return answer.table.merge(run.predictions[["id", "label", "predicted"]], on="id")


def plain(text: str) -> str:
    """Without what makes words bold and coloured."""
    return re.sub(r":(orange|blue|gray)\[|[*\]]", "", text)


def test_without_studies_each_part_says_what_to_type(open_page: Open) -> None:
    app = open_page("trust", run=RUN)
    assert not app.exception
    assert not app.error
    said = words(app)
    for name in TRUST:
        assert f"`python -m core.studies {name} --run {RUN}`" in said
    assert "All 60 images have a margin map; no study has judged explanations of this run yet." in said
    assert not app.get("plotly_chart")


def test_inspect_says_beside_each_map_what_was_found_of_its_method(open_page: Open, home: Path) -> None:
    run = read_run(home / "runs" / RUN)
    image = {"id": str(run.predictions["id"].iloc[0]), "lime.n_samples": "64", "methods": "gradcam,scorecam"}
    app = settled(open_page("inspect", run=RUN, **image))
    assert f"This run has no trust study yet; `python -m core.studies faithfulness --run {RUN}` makes one." in words(
        app
    )
    assert "No study judges Score-CAM: it is too slow for a whole run." in words(app)
    add_studies(home, "faithfulness")
    app = settled(open_page("inspect", run=RUN, **image))
    found = read_study(home / "runs" / RUN / "studies" / "faithfulness.parquet", run)
    verdict = run.predictions["predicted"].iloc[0]
    told = in_short(next(one for one in found.findings if one.key == f"gradcam-{verdict}"))
    assert str(told) in plain(words(app))
    assert [link.proto.page for link in app.get("page_link")] == ["trust"]
    # what is drawn with other settings was not measured
    assert "not the present ones" not in words(app)
    app = settled(open_page("inspect", run=RUN, **image, **{"gradcam.layer": "layer2"}))
    assert "Measured with its default settings, which are not the present ones." in words(app)


def test_the_complaints_are_answered_with_the_studies_own_numbers(open_page: Open, home: Path) -> None:
    add_studies(home, *TRUST)
    app = open_page("trust", run=RUN)
    assert not app.exception
    said = plain(words(app))
    colours, agreement = study(home, "one_colour"), study(home, "agreement")
    for verdict in ("FAKE", "REAL"):
        mine = colours[colours["predicted"] == verdict]
        before, after = mine["paper_one_sign"].mean(), mine["ours_shown_one"].mean()
        assert percent(after, 0).removesuffix("%") in said
        assert f"{percent(before, 0).removesuffix('%')}" in said
        low, high = wilson_interval(int(mine["paper_one_sign"].sum()), len(mine))
        assert f"{100 * float(low):.0f} to {100 * float(high):.0f}" in said
        ranks = agreement.loc[agreement["predicted"] == verdict, ["rank", "others_rank"]].mean()
        assert f"{signed(ranks['rank'])} on {verdict} verdicts" in said
        assert f"other images of the same cell by {signed(ranks['others_rank'])}" in said
    assert "uniformly red" in said
    assert "All 60 images have a margin map; 60 images were judged." in said
    faithfulness = read_study(home / "runs" / RUN / "studies" / "faithfulness.parquet", read_run(home / "runs" / RUN))
    assert str(trusted(faithfulness.findings)) in said


def test_every_study_is_drawn_with_its_controls_concluded_and_limited(open_page: Open, home: Path) -> None:
    add_studies(home, *TRUST)
    app = open_page("trust", run=RUN)
    run = read_run(home / "runs" / RUN)
    said = plain(words(app))
    for name in TRUST:
        answer = read_study(home / "runs" / RUN / "studies" / f"{name}.parquet", run)
        assert answer.findings
        assert all(str(tell(one).full) in said for one in answer.findings)
    assert said.count("What this cannot show") == len(TRUST)
    charts = app.get("plotly_chart")
    assert len(charts) == 2 + 1 + 1 + len(judged()) + 1
    assert all(chart.proto.alt for chart in charts)
    # a picture and its table are of the same numbers
    tables = [frame.value for frame in app.dataframe]
    agreement = study(home, "agreement")
    expected = weighted_mean(agreement.loc[agreement["predicted"] == "REAL", "rank"].to_numpy(float))
    row = tables[2].query("verdict == 'REAL'").iloc[0]
    assert list(tables[0].columns[:5]) == ["verdict", "method", "fill", "metric", "best control"]
    assert row[["value", "95 % from", "to", "images"]].tolist() == pytest.approx(expected, rel=1e-5)
    assert len([button for button in app.get("download_button") if button.key.endswith(".all")]) == len(TRUST)


def test_faithfulness_is_a_small_table_of_signs_by_method_and_fill(open_page: Open, home: Path) -> None:
    add_studies(home, "faithfulness")
    app = open_page("trust", run=RUN)
    assert not app.exception
    answer = read_study(home / "runs" / RUN / "studies" / "faithfulness.parquet", read_run(home / "runs" / RUN))
    shown = [element.value for element in app.markdown if element.value.startswith("| method | mean colour | blur |")]
    assert len(shown) == 2
    for verdict, text in zip(("FAKE", "REAL"), shown, strict=True):
        head, _, *rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in text.splitlines()]
        assert head == ["method", "mean colour", "blur", "shuffled texture", "ROAD"]
        cells = {name.strip("*"): dict(zip(head[1:], found, strict=True)) for name, *found in rows}
        assert list(cells) == [one.title for one in judged().values()]
        finding = next(one for one in answer.findings if one.key == f"lime-{verdict}")
        for fill, title in finding.details["fills"].items():
            tried = [finding.choice(direction, fill) for direction in ("deletion", "insertion")]
            signs = [sign_of(one) for one in tried]
            told = " ".join(
                f"{'◇▲▼'[sign]}\N{NO-BREAK SPACE}{signed(one.difference.value)}"
                for sign, one in zip(signs, tried, strict=True)
            )
            colour = {(1, 1): "green", (-1, -1): "violet"}.get(tuple(signs))
            assert cells["LIME"][title] == (f":{colour}-background[{told}]" if colour else told)
    # the sentence stands above, and no number is pooled
    said = plain(words(app))
    assert said.count(str(trusted(answer.findings))) == 1
    assert "unseen" not in said


def test_cells_and_fills_are_in_the_url(open_page: Open, home: Path) -> None:
    add_studies(home, "faithfulness", "agreement")
    app = open_page("trust", run=RUN, by="cell", filled="road")
    assert not app.exception
    assert app.segmented_control(key="url.by").value == "cell"
    assert app.segmented_control(key="url.filled").value == "road"
    frame = app.dataframe[0].value
    assert set(frame["verdict"]) == {
        f"{truth} called {said}" for truth in ("FAKE", "REAL") for said in ("FAKE", "REAL")
    }
    assert {"Grad-CAM", "LIME"} <= set(frame["method"])
    assert set(frame["fill"]) == {"mean", "blur", "texture", "road"}
    assert set(frame["metric"]) == {"deletion", "insertion"}


def test_nonsense_in_the_url_is_the_default_view(open_page: Open, home: Path) -> None:
    add_studies(home, *TRUST)
    nonsense = {"by": "?", "filled": "<b>"}
    plain, strange = open_page("trust", run=RUN), open_page("trust", run=RUN, **nonsense)
    assert not strange.exception
    assert words(strange) == words(plain)


def test_a_broken_study_is_one_sentence_and_the_others_stay(open_page: Open, home: Path) -> None:
    add_studies(home, "agreement", "stability")
    file = home / "runs" / RUN / "studies" / "stability.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    app = open_page("trust", run=RUN)
    assert not app.exception
    assert [error.value.startswith("tiny@seen-test/studies/stability.parquet is no") for error in app.error] == [True]
    assert str(home) not in words(app)
    assert len(app.get("plotly_chart")) == 1


def test_a_broken_study_is_not_said_to_be_none_beside_a_map(open_page: Open, home: Path) -> None:
    add_studies(home, "faithfulness")
    file = home / "runs" / RUN / "studies" / "faithfulness.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    app = settled(open_page("inspect", run=RUN, **{"lime.n_samples": "64"}))
    assert not app.exception
    assert "has no trust study yet" not in words(app)
    links = [one.proto.label for one in app.get("page_link")]
    assert any("cannot be read" in label for label in links)


def test_a_method_that_a_file_lacks_is_left_out(open_page: Open, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_studies(home, *(name for name in TRUST if name != "sanity"))
    study = find_study("sanity")
    columns = {name: said for name, said in study.columns.items() if name != "lime_other"}
    monkeypatch.setattr("tests.dashboard.studies.find_study", lambda _: replace(study, columns=columns))
    add_studies(home, "sanity")
    app = open_page("trust", run=RUN)
    assert not app.exception
    assert not app.error
    drawn = {chart.key for chart in app.get("plotly_chart")}
    assert "trust.sanity.gradcam" in drawn
    assert "trust.sanity.lime" not in drawn
    assert "Is LIME all one colour?" in words(app)
