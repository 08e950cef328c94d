"""Reports: every number against the run, whole charts, nothing that is fetched, bad input in words."""

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, precision_score

from core.detectors.storage import load_detector, save_detector
from core.findings.finding import Finding, Measure
from core.findings.numbers import percent
from core.findings.table import findings_text
from core.report.__main__ import main
from core.report.charts import Curve, curve_chart, row_chart
from core.report.html import confusion_table
from core.report.page import gather, report_of, save_report
from core.report.selection import TILES, Selection, describe
from core.runs.filter import Area, Filter
from core.runs.pictures import find_pictures
from core.runs.rows import find_rows
from core.runs.run import Run, read_run
from core.runs.tags import Tags
from core.runs.writing import write_run
from core.storage import cache_dir
from core.studies.columns import browse_table
from core.studies.runner import run_study
from core.studies.source import Source
from core.studies.store import find_studies, read_study
from core.studies.study import Study
from tests.conftest import make_detector
from tests.core.studies.conftest import BRIGHTNESS, conclude, made_set, source  # noqa: F401 - a fixture


class Page(HTMLParser):
    """What a page holds."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = dict(attrs)
        if tag == "img":
            self.images.append(found)
        self.links += [value for key, value in attrs if key in ("src", "href") and value]

    def handle_data(self, data: str) -> None:
        self.text += data


def written(path: Path) -> Page:
    """A report as read back."""
    return Page(path.read_text(encoding="utf-8"))


def run_of(found: Source) -> Run:
    """The run of the fixture."""
    return read_run(found.run)


def svg_texts(image: dict[str, str | None]) -> list[str]:
    """The words in a chart."""
    kind, _, data = str(image["src"]).partition("base64,")
    assert kind == "data:image/svg+xml;"
    root = ElementTree.fromstring(base64.b64decode(data))  # noqa: S314 - our own
    return ["".join(node.itertext()) for node in root.iter() if node.tag.endswith("}text")]


def test_a_run_in_full(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr("core.studies.result.conclude_study", lambda _, *given: conclude(*given))
    run_study(BRIGHTNESS, source)
    run = run_of(source)
    found = find_studies(run)
    history = [{"epoch": 1, "train_accuracy": 0.7, "val_accuracy": 0.6}, {"epoch": 2, "train_accuracy": 0.8}]
    members = [{"name": "part", "recipe": {"epochs": 3}, "weight": 0.25, "val_accuracy": 0.5}]
    manifest = {"history": history, "recipe": {"epochs": 2}, "training_set": "made-train", "members": members}
    save_report(tmp_path / "r.html", run, detector=manifest, answers=found.answers, problems=("a file is broken",))
    page = written(tmp_path / "r.html")
    truth, said = run.predictions["label"].astype(str), run.predictions["predicted"].astype(str)
    assert f"Accuracy {percent(accuracy_score(truth, said))} (" in page.text
    assert f"{precision_score(truth, said, pos_label='REAL'):.3f}" in page.text
    for count in pd.crosstab(truth, said).to_numpy().ravel():
        assert f"{count} (" in page.text
    table = findings_text(found.answers["brightness"].findings)
    assert len(table)
    assert all(cell in page.text for cell in table[["Group", "Effect", "Control", "Status"]].to_numpy().ravel())
    for text in (BRIGHTNESS.question, "a file is broken", "Joined of part", "weight 0.250; epochs 3"):
        assert text in page.text
    assert run.manifest["detector_sha256"] in page.text
    assert run.manifest["set_fingerprint"] in page.text
    # ROC, precision-recall, calibration, categories, training
    assert len(page.images) == 5
    assert all(image["alt"] for image in page.images)
    assert {"cat", "dog", "ship"} <= set(svg_texts(page.images[3]))
    assert "Training" not in Page(report_of(run, detector={"name": "tiny"})).text


def test_a_class_that_is_never_predicted_has_no_precision(source: Source) -> None:  # noqa: F811
    run = run_of(source)
    run.predictions["predicted"] = pd.Categorical(["REAL"] * 60, categories=["FAKE", "REAL"])
    page = Page(report_of(run))
    assert "FAKEnone0.0000.000" in page.text
    # the end of the curve at which nothing is called FAKE
    assert any("with a precision of 100.0%" in str(image["alt"]) for image in page.images)


def test_the_confusion_table_has_shares_of_each_label() -> None:
    table = confusion_table(np.array([[3, 1], [0, 0]]))
    assert table.rows == [["is FAKE", "3 (75.0%)", "1 (25.0%)"], ["is REAL", "no images", "no images"]]


def shapes(svg: str, tag: str) -> list[dict[str, str]]:
    """The attributes of all shapes of a kind in a chart."""
    return [node.attrib for node in ElementTree.fromstring(svg).iter() if node.tag.endswith(f"}}{tag}")]  # noqa: S314


def test_curves_are_drawn_where_their_numbers_are() -> None:
    curve = Curve("<all>", np.array([0.0, 0.5, 1.0]), np.array([0.0, 1.0, 1.0]), "#123456")
    dot = Curve("", [0.25], [0.75], "#654321")
    chart = curve_chart([curve, dot], ("x", 0, 1), ("y", 0, 1), alt="", caption="")
    line = next(shape for shape in shapes(chart.svg, "polyline") if shape["stroke"] == "#123456")
    (x0, y0), (x1, y1), (x2, y2) = (map(float, point.split(",")) for point in line["points"].split())
    assert x1 - x0 == pytest.approx(x2 - x1)
    assert y1 == y2 < y0
    (circle,) = shapes(chart.svg, "circle")
    assert float(circle["cx"]) == pytest.approx((x0 + x1) / 2)
    assert float(circle["cy"]) == pytest.approx(y0 + 0.75 * (y1 - y0))
    texts = svg_texts({"src": chart.url})
    assert "<all>" in texts
    assert texts.count("100%") == 2


def test_rows_are_drawn_with_their_intervals_in_order() -> None:
    rows = pd.DataFrame({"name": ["a", "b" * 60], "value": [0.2, 0.4], "low": [0.1, np.nan], "high": [0.3, np.nan]})
    chart = row_chart(rows, unit="rate", alt="", caption="", line=0.3, colours=("#123456",))
    first, second = shapes(chart.svg, "circle")
    assert float(first["cx"]) < float(second["cx"])
    assert float(first["cy"]) < float(second["cy"])
    (bar,) = [shape for shape in shapes(chart.svg, "polyline") if shape["stroke"] == "#123456"]
    low, high = (float(point.split(",")[0]) for point in bar["points"].split())
    assert (low + high) / 2 == pytest.approx(float(first["cx"]), abs=0.1)
    assert f"{'b' * 39}…" in svg_texts({"src": chart.url})


def test_nothing_is_fetched_and_nothing_runs(source: Source, tmp_path: Path) -> None:  # noqa: F811
    save_report(tmp_path / "r.html", run_of(source))
    page = written(tmp_path / "r.html")
    assert "script" not in page.tags
    assert all(link.startswith("data:") for link in page.links)
    again = tmp_path / "again.html"
    save_report(again, run_of(source))
    assert again.read_bytes() == (tmp_path / "r.html").read_bytes()


def test_a_selection_shows_its_images(source: Source, tmp_path: Path) -> None:  # noqa: F811
    run = run_of(source)
    table = browse_table(run)
    wanted = Filter().choosing("label", ["REAL"]).choosing("category", ["cat", "dog"])
    rows = find_rows(table, wanted)
    save_report(
        tmp_path / "s.html",
        run,
        table=table,
        selection=Selection(wanted, rows),
        pictures=find_pictures(run, []),
    )
    page = written(tmp_path / "s.html")
    chosen = run.predictions.iloc[rows]
    wrong = int((chosen["predicted"].astype(str) == "FAKE").sum())
    assert f": {wrong} of {len(rows)} images." in page.text
    tiles = [image for image in page.images if str(image["src"]).startswith("data:image/png")]
    assert len(tiles) == min(len(rows), TILES) == len(rows)
    assert sum("is REAL" in str(image["alt"]) for image in tiles) == wrong
    assert "is REAL" in describe(wanted)
    assert "category cat or dog" in page.text


def test_a_selection_is_described_as_it_was_asked_for() -> None:
    wanted = Filter().choosing("in_train", ["yes"]).choosing("is_repeat", ["no"]).ranging("file_bytes", low=3456789)
    assert describe(wanted) == "also in the training set, not a copy of an earlier file, file bytes from 3456789"


@pytest.mark.parametrize(("cut", "said"), [(0.05, "5%"), (0.95, "95%"), (0.975, "97.5%")])
def test_another_threshold_is_kept(source: Source, tmp_path: Path, cut: float, said: str) -> None:  # noqa: F811
    run = run_of(source)
    table = browse_table(run)
    wanted = replace(Filter(), threshold=cut)
    save_report(tmp_path / "s.html", run, table=table, selection=Selection(wanted, find_rows(table, wanted)))
    page = written(tmp_path / "s.html")
    assert f"at a threshold of {said}." in page.text
    predicted = run.predictions["p_real"] > cut
    wrong = np.mean(predicted != (run.predictions["label"] == "REAL"))
    assert f"of the run: {percent(float(wrong))}." in page.text
    # a tile's prediction is that at the threshold
    first = int(find_rows(table, wanted)[0])
    assert f"{'REAL' if predicted[first] else 'FAKE'}, p(REAL) {run.predictions['p_real'][first]:.2f}" in page.text


def test_what_fits_nothing_says_so(source: Source, tmp_path: Path) -> None:  # noqa: F811
    run = run_of(source)
    wanted = Filter(name="no such file")
    save_report(tmp_path / "s.html", run, selection=Selection(wanted, np.array([], np.intp)))
    page = written(tmp_path / "s.html")
    assert "No image fits this selection" in page.text
    assert "no such file" in page.text


def test_text_from_files_is_no_markup(
    source: Source,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = run_of(source)
    found = Finding("key", "brightness", "faithfulness", Measure(3.0), subject="<b>bold</b> & plain")
    monkeypatch.setattr("core.studies.result.conclude_study", lambda *_: [found])
    study = Study(**{**vars(BRIGHTNESS), "title": "<script>alert(1)</script>"})
    run_study(study, source)
    save_report(tmp_path / "r.html", run, answers=find_studies(run).answers)
    page = written(tmp_path / "r.html")
    assert "script" not in page.tags
    assert "<b>bold</b> & plain" in page.text


def test_text_from_addresses_is_no_markup(source: Source, tmp_path: Path) -> None:  # noqa: F811
    run = run_of(source)
    wanted = Filter(name="<script>alert(1)</script>", area=Area.drawn("features", (0, 1), (0, 1)))
    for rows in (np.zeros(0, np.intp), np.arange(3)):
        save_report(tmp_path / "r.html", run, table=browse_table(run), selection=Selection(wanted, rows))
        page = written(tmp_path / "r.html")
        assert "script" not in page.tags
        assert "file name with <script>" in page.text
        assert "in an area drawn on Patterns" in page.text


def test_the_command(source: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    out = tmp_path / "deep" / "report.html"
    assert main([str(source.run), "--out", str(out)]) == 0
    assert "60 images" in written(out).text
    assert main([str(source.run), "--out", str(out), "--select", "true=REAL"]) == 0
    assert "30 images of" in written(out).text
    # a run with pictures of its own shows them
    assert sum(str(image["src"]).startswith("data:image/png") for image in written(out).images) == 30
    before = out.read_bytes()
    assert main(["no-such-run", "--out", str(out)]) == 2
    assert "there is no run 'no-such-run'" in capsys.readouterr().err
    assert out.read_bytes() == before


def test_a_selection_that_fits_nothing_is_refused(
    source: Source,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "report.html"
    assert main([str(source.run), "--out", str(out), "--select", "true=real"]) == 2
    assert "--select: true=real fits no image" in capsys.readouterr().err
    assert not out.exists()
    assert main([str(source.run), "--out", str(out), "--select", "sad=FAKE&run=x"]) == 0
    assert "--select: sad is no filter of this run and is ignored" in capsys.readouterr().err


def test_a_selection_names_its_order_and_the_other_run(source: Source) -> None:  # noqa: F811
    run = run_of(source)
    table = browse_table(run)
    text = Page(report_of(run, table=table, selection=Selection(Filter(), np.arange(60)))).text
    assert "The first 48 of 60, most confidently wrong first." in text
    wanted = Filter().choosing("versus.correct", ["right"])
    assert describe(wanted, "other@made-test") == "verdict of other@made-test right"
    assert describe(wanted) == "verdict of the other run right"


def test_what_is_gathered_is_on_disk_and_names_no_folder_of_this_machine(source: Source) -> None:  # noqa: F811
    run_study(BRIGHTNESS, source)
    run = run_of(source)
    (run.path / "studies" / "broken.parquet").write_bytes(b"no parquet")
    found = gather(run, (source.detector.parents[1],))
    assert found["detector"]["weights_sha256"] == run.manifest["detector_sha256"]
    assert list(found["answers"]) == ["brightness"]
    text = report_of(run, **found)
    assert "studies/broken.parquet is no readable study" in text
    assert str(run.path) not in text
    assert gather(run, (run.path,))["detector"] is None


def test_a_selection_by_tag(
    source: Source,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TELLTALE_CACHE", str(tmp_path / "cache"))
    run = run_of(source)
    Tags(cache_dir() / "tags.sqlite").add(run.predictions["id"].tolist()[3:7], "halo")
    assert main([str(source.run), "--out", str(tmp_path / "r.html"), "--select", "tag=halo"]) == 0
    text = written(tmp_path / "r.html").text
    assert "4 images of" in text
    assert "tagged halo" in text


def test_a_selection_may_be_in_the_order_of_a_column_that_its_study_does_not_offer(
    source: Source,  # noqa: F811
    tmp_path: Path,
) -> None:
    margins = read_study(run_study(BRIGHTNESS, source)).table["margin"].to_numpy(np.float64)
    assert main([str(source.run), "--out", str(tmp_path / "r.html"), "--select", "sort=-brightness.margin"]) == 0
    names = run_of(source).predictions["name"].to_numpy(object)[np.argsort(-margins, kind="stable")]
    shown = re.findall(r"(?:FAKE|REAL)/\d{4}\.png", written(tmp_path / "r.html").text)
    assert shown == names[:TILES].tolist()


def test_a_selection_may_ask_what_another_run_says_of_the_same_images(
    source: Source,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    detector, out = make_detector(seed=1), tmp_path / "r.html"
    detector.manifest = {"name": "other"}

    def selected(other: Path) -> int:
        select = urlencode({"versus": str(other), "versus.correct": "wrong"})
        return main([str(source.run), "--out", str(out), "--select", select])

    assert selected(write_run(tmp_path / "away", detector, made_set(40))) == 2
    said = "core.report: other@made-test is not another run on the images of tiny@made-test"
    assert capsys.readouterr().err.splitlines() == [said]
    assert not out.exists()
    other = write_run(tmp_path / "home", detector, made_set())
    predictions = read_run(other).predictions
    wrong = int((predictions["label"].astype(str) != predictions["predicted"].astype(str)).sum())
    assert 0 < wrong < 60
    assert selected(other) == 0
    assert f"{wrong} images of tiny@made-test" in written(out).text
    assert f"verdict of {other.name} wrong" in written(out).text


def test_a_run_by_its_folder_has_the_training_curve_of_the_detector_beside_it(
    source: Source,  # noqa: F811
    tmp_path: Path,
) -> None:
    detector = load_detector(source.detector, device="cpu")
    detector.manifest = {**detector.manifest, "history": [{"epoch": 1, "train_accuracy": 0.7}]}
    save_detector(source.detector, detector, model_card="", replace=True)
    assert main([str(source.run), "--out", str(tmp_path / "r.html")]) == 0
    assert "Training: accuracy after each epoch" in written(tmp_path / "r.html").text
