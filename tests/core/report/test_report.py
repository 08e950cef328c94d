"""Reports: every number against the run, whole charts, nothing that is fetched, bad input in words."""

import base64
from dataclasses import replace
from html.parser import HTMLParser
from itertools import product
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, precision_score

from core.commands.report import main
from core.findings.contrast import Contrast, Finding, Measure
from core.findings.numbers import percent
from core.findings.table import findings_text
from core.images.labels import CLASSES
from core.report.html import Curve, curve_chart
from core.report.run_report import report_of
from core.report.selection import TILES, selection_report
from core.runs.filter import Area, Filter
from core.runs.pictures import find_pictures
from core.runs.rows import find_rows
from core.runs.run import read_run
from core.studies.columns import browse_table
from core.studies.runner import run_study
from core.studies.store import find_studies
from core.studies.study import Study
from tests.core.studies.conftest import BRIGHTNESS, conclude, made_set, source  # noqa: F401 - a fixture

# would show all that follows it backwards
REVERSED = "\N{RIGHT-TO-LEFT OVERRIDE}"


class Page(HTMLParser):
    """What a page holds."""

    def __init__(self, text):
        super().__init__()
        self.images = []
        self.links = []
        self.tags = []
        # rows of all tables
        self.rows = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        found = dict(attrs)
        if tag == "img":
            self.images.append(found)
        self.links += [value for key, value in attrs if key in ("src", "href") and value]

    def handle_data(self, data):
        self.text += data
        if self.tags[-1:] in (["td"], ["th"]) and data.strip():
            self.rows[-1].append(data)


def run_of(found):
    """The run of the fixture."""
    return read_run(found.run)


def test_a_run_in_full(source, monkeypatch):  # noqa: F811
    monkeypatch.setattr("core.studies.store.conclude_study", lambda _, *given: conclude(*given))
    run_study(BRIGHTNESS, source)
    run = run_of(source)
    studies, _ = find_studies(run)
    members = [{"name": "part", "recipe": {"epochs": 3}, "weight": 0.25, "val_accuracy": 0.5}]
    manifest = {"recipe": {"epochs": 2}, "training_set": "made-train", "members": members}
    page = Page(report_of(run, detector=manifest, answers=studies, problems=("a file is broken",)))
    assert len(page.text.split()) < 1500
    truth, said = run.predictions["label"].astype(str), run.predictions["predicted"].astype(str)
    assert f"Accuracy {percent(accuracy_score(truth, said))} (" in page.text
    assert f"{precision_score(truth, said, pos_label='REAL'):.3f}" in page.text
    counts = pd.crosstab(truth, said)
    shares = pd.crosstab(truth, said, normalize="index")
    for label, called in product(CLASSES, CLASSES):
        assert f"{counts.loc[label, called]} ({percent(shares.loc[label, called])})" in page.text
    table = findings_text(studies["brightness"].findings)
    assert len(table)
    shown = table[["Question", "Group", "Effect", "Control", "Images", "Answer"]]
    assert all(cell in page.text for cell in shown.to_numpy().ravel())
    assert page.tags.count("summary") == len(table)
    for text in ("a file is broken", "Joined of part", "weight 0.250; epochs 3"):
        assert text in page.text
    assert run.manifest["detector_sha256"] in page.text
    assert run.manifest["set_fingerprint"] in page.text
    assert ["Trained on", "made-train"] in page.rows
    # the ROC curve
    assert len(page.images) == 1
    assert "script" not in page.tags
    assert all(link.startswith("data:") for link in page.links)
    assert all(image["alt"] for image in page.images)
    for name, of_category in run.predictions.groupby("category", observed=True):
        rate = (of_category["label"].astype(str) != of_category["predicted"].astype(str)).mean()
        assert f"{name}{len(of_category)}{percent(rate)} (" in page.text.replace("\n", "")
    assert "Training" not in Page(report_of(run, detector={"name": "tiny"})).text
    nothing = {"all": {"images": 0}, "clean": {"images": 0}}
    empty = replace(run, manifest=run.manifest | {"metrics": nothing}, predictions=run.predictions[:0])
    assert run.name in Page(report_of(empty)).text


def shapes(url, tag):
    """All shapes of a kind in a chart."""
    kind, _, data = url.partition("base64,")
    assert kind == "data:image/svg+xml;"
    root = ElementTree.fromstring(base64.b64decode(data))  # noqa: S314 - our own
    return [node for node in root.iter() if node.tag.endswith(f"}}{tag}")]


def test_curves_are_drawn_where_their_numbers_are():
    curve = Curve("<all>", np.array([0.0, 0.5, 1.0]), np.array([0.0, 1.0, 1.0]), "#123456")
    dot = Curve("", [0.25], [0.75], "#654321")
    chart = curve_chart([curve, dot], "x", "y", alt="", caption="")
    line = next(shape for shape in shapes(chart.url, "polyline") if shape.get("stroke") == "#123456")
    (x0, y0), (x1, y1), (x2, y2) = (map(float, point.split(",")) for point in line.attrib["points"].split())
    assert x1 - x0 == pytest.approx(x2 - x1)
    assert y1 == y2 < y0
    (circle,) = shapes(chart.url, "circle")
    assert float(circle.attrib["cx"]) == pytest.approx((x0 + x1) / 2)
    assert float(circle.attrib["cy"]) == pytest.approx(y0 + 0.75 * (y1 - y0))
    texts = ["".join(node.itertext()) for node in shapes(chart.url, "text")]
    assert "<all>" in texts
    assert texts.count("100%") == 2


@pytest.mark.parametrize("threshold", [0.05, 0.5, 0.975])
def test_a_selection_shows_its_images_at_its_threshold(source, threshold):  # noqa: F811
    run = run_of(source)
    table = browse_table(run)
    wanted = replace(Filter().choosing("category", ["cat", "dog"]), threshold=threshold)
    rows = find_rows(table, wanted)
    page = Page(selection_report(run, table, wanted, rows, pictures=find_pictures(run, [])))
    wrong = (table["p_real"] > threshold).to_numpy() != (table["label"] == "REAL").to_numpy()
    assert f": {wrong[rows].sum()} of {len(rows)} images." in page.text
    assert f"of the run: {percent(float(wrong.mean()))}." in page.text
    tiles = [image for image in page.images if str(image["src"]).startswith("data:image/png")]
    assert len(tiles) == len(rows) <= TILES
    assert sum("; is " in str(image["alt"]) for image in tiles) == wrong[rows].sum()
    assert (f"at a threshold of {100 * threshold:g}%" in page.text) == (threshold != 0.5)
    assert "category cat or dog" in page.text
    assert ("Error rate" in page.text.replace("Error rate ", "")) == (0 < wrong[rows].sum() < len(rows))
    assert all("p(REAL)" in str(image["alt"]) for image in tiles)
    beside = wanted.choosing("versus.correct", ["wrong"])
    assert "verdict of rival wrong" in selection_report(run, table, beside, rows, other="rival")
    assert "verdict of the other run wrong" in selection_report(run, table, beside, rows)
    without = Page(selection_report(run, table, wanted, rows[:1])).text
    assert "1 image of tiny@made-test" in without
    assert "Their pictures are not available." in without


def test_text_from_files_and_addresses_is_no_markup(
    source,  # noqa: F811
    monkeypatch,
):
    run = run_of(source)
    contrast = Contrast("image", "", Measure(3.0))
    subject = f"<b>bold</b> & {REVERSED}plain"
    found = Finding("key", "How bright?", "faithfulness", (contrast,), subject=subject)
    monkeypatch.setattr("core.studies.store.conclude_study", lambda *_: [found])
    run_study(Study(**{**vars(BRIGHTNESS), "title": "<script>alert(1)</script>"}), source)
    pages = [Page(report_of(run, answers=find_studies(run)[0]))]
    wanted = Filter(name=f"<script>{REVERSED}alert(1)</script>", area=Area.drawn("features", (0, 1), (0, 1)))
    pages += [Page(selection_report(run, browse_table(run), wanted, np.arange(rows))) for rows in (0, 3)]
    assert not any("script" in page.tags or REVERSED in page.text for page in pages)
    assert "<b>bold</b> & plain" in pages[0].text
    assert "No image fits this selection" in pages[1].text
    assert all("file name with <script>" in page.text for page in pages[1:])


def test_the_command(source, tmp_path, capsys):  # noqa: F811
    out = tmp_path / "deep" / "report.html"
    run_study(BRIGHTNESS, source)
    (source.run / "studies/brightness.parquet").write_bytes(b"damaged")
    assert main([str(source.run), "--out", str(out)]) == 0
    before = out.read_text(encoding="utf-8")
    assert "60 images" in Page(before).text
    # what could not be read is named, without the folders of whoever sends the report
    assert "studies/brightness.parquet" in Page(before).text
    assert str(source.run.parent) not in before
    assert main(["no-such-run", "--out", str(out)]) == 2
    assert " report: there is no run 'no-such-run'" in capsys.readouterr().err
    assert out.read_text(encoding="utf-8") == before
