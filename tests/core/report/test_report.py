"""Reports: every number against the run, nothing that is fetched, bad input in words."""

import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import product

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score
from statsmodels.stats.proportion import proportion_confint

from core.commands.report import main
from core.findings.contrast import Contrast, Finding, Measure
from core.findings.numbers import percent
from core.findings.table import findings_text
from core.images.encoding import data_url
from core.images.labels import CLASSES
from core.report.run_report import MOST_FINDINGS, TILES, describe, maker_of, report_of, selection_report
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


@pytest.fixture
def run(source):  # noqa: F811
    return read_run(source.run)


def test_a_run_in_full(source, run, monkeypatch):  # noqa: F811
    monkeypatch.setattr("core.studies.store.conclude_study", lambda _, *given: conclude(*given))
    run_study(BRIGHTNESS, source)
    studies, _ = find_studies(run)
    assert maker_of(run)["parameters"] > 0
    page = Page(report_of(run))
    assert len(page.text.split()) < 1500
    table = run.predictions
    counts = pd.crosstab(table["label"], table["predicted"])
    shares = counts.div(counts.sum(axis=1), axis=0)
    for label, called in product(CLASSES, CLASSES):
        assert f"{counts.loc[label, called]} ({percent(shares.loc[label, called])})" in page.text
    findings = findings_text(studies["brightness"].findings)
    assert len(findings)
    shown = findings[["Question", "Group", "Effect", "Control", "Images", "Answer"]]
    assert all(cell in page.text for cell in shown.to_numpy().ravel())
    assert page.tags.count("summary") == len(findings)
    assert "script" not in page.tags
    assert all(link.startswith("data:") for link in page.links)
    assert page.images == []


@pytest.mark.parametrize("threshold", [0.05, 0.5, 0.975])
def test_a_selection_shows_its_images_at_its_threshold(run, threshold):
    table = browse_table(run)
    wanted = replace(Filter().choosing("category", ["cat", "dog"]), threshold=threshold)
    rows = find_rows(table, wanted)
    page = Page(selection_report(run, table, wanted, rows, pictures=find_pictures(run, [])))
    wrong = (table["p_real"] > threshold).to_numpy() != (table["label"] == "REAL").to_numpy()
    assert f": {wrong[rows].sum()} of {len(rows)} images." in page.text
    assert f"of the run: {percent(float(wrong.mean()))}." in page.text
    tiles = [image["alt"] for image in page.images if image["src"].startswith("data:image/png")]
    assert len(tiles) == len(rows) <= TILES
    assert sum("; is " in words for words in tiles) == wrong[rows].sum()
    assert describe(wanted, "") in page.text
    assert ("Error rate" in page.text.replace("Error rate ", "")) == (0 < wrong[rows].sum() < len(rows))
    assert all("p(REAL)" in words for words in tiles)
    beside = wanted.choosing("versus.correct", ["wrong"])
    assert "verdict of rival wrong" in selection_report(run, table, beside, rows, other="rival")
    assert "verdict of the other run wrong" in selection_report(run, table, beside, rows)
    without = Page(selection_report(run, table, wanted, rows[:1])).text
    assert "1 image of tiny@made-test" in without
    assert "Their pictures are not available." in without


def test_text_from_files_and_addresses_is_no_markup(source, run, monkeypatch):  # noqa: F811
    contrast = Contrast("image", "", Measure(3.0))
    subject = f"<b>bold</b> & {REVERSED}plain"
    found = Finding("key", "How bright?", "faithfulness", (contrast,), subject=subject)
    monkeypatch.setattr("core.studies.store.conclude_study", lambda *_: [found])
    run_study(Study(**{**vars(BRIGHTNESS), "title": "<script>alert(1)</script>"}), source)
    pages = [Page(report_of(run))]
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
    before = out.read_text()
    assert "60 images" in Page(before).text
    # what could not be read is named, without the folders of whoever sends the report
    assert "studies/brightness.parquet" in Page(before).text
    assert str(source.run.parent) not in before
    assert main(["no-such-run", "--out", str(out)]) == 2
    assert " report: there is no run 'no-such-run'" in capsys.readouterr().err
    assert out.read_text() == before


def interval_of(wrong, total):
    """A share with its 95% interval, as reports write it."""
    low, high = proportion_confint(wrong, total, method="wilson")
    return f"{percent(wrong / total)} ({percent(low)} to {percent(high)})"


def sourced(run):
    """The run with sources, of which the generators "a" and "b" make FAKE images and "a" was in the training."""
    table = run.predictions
    number = np.arange(len(table)) % 5
    maker = np.where(table["label"] == "FAKE", np.where(number < 2, "a", "b"), "camera")
    manifest = run.manifest | {"seen": ["a"], "leaks_checked": False}
    return replace(run, predictions=table.assign(source=maker), manifest=manifest)


def test_every_number_on_how_good_it_is_is_the_runs(run):
    run = sourced(run)
    table = run.predictions
    truth = table["label"]
    said = table["predicted"]
    page = Page(report_of(run))
    right = int((truth == said).sum())
    assert f"Accuracy {interval_of(right, 60)} on 60 images." in page.text
    auroc = roc_auc_score(truth == "REAL", table["margin"])
    assert f"AUROC {auroc:.4f}" in page.text
    false_real = ((truth == "FAKE") & (said == "REAL")).sum()
    assert f"{false_real} FAKE called REAL, {60 - right - false_real} REAL called FAKE." in page.text
    for row in zip(CLASSES, *precision_recall_fscore_support(truth, said, labels=list(CLASSES))[:3], strict=True):
        assert [row[0], *(f"{score:.3f}" for score in row[1:])] in page.rows
    # accuracy by confidence
    sure = np.maximum(table["p_real"], 1 - table["p_real"])
    bins = np.minimum(((sure - 0.5) * 20).astype(int), 9)
    for number in set(bins):
        inside = bins == number
        of_bin = interval_of(int((truth == said)[inside].sum()), int(inside.sum()))
        assert [percent(float(sure[inside].astype(float).mean())), of_bin] in page.rows
    # error rates by group, the worst first, and their means over sources
    for column in ("category", "source"):
        wrong = (truth != said).groupby(table[column], observed=True)
        rates = wrong.mean().sort_values(ascending=False, kind="stable")
        expected = [
            [name, str(wrong.size()[name]), interval_of(int(wrong.sum()[name]), wrong.size()[name])]
            for name in rates.index
        ]
        start = page.rows.index([column.title(), "Images", "Error rate"]) + 1
        assert page.rows[start : start + 3] == expected
    means = page.rows.index(["Sources", "Number", "Images", "Pooled error rate", "Macro mean"])
    assert page.rows[means + 1] == ["all", "3", "60", percent(1 - right / 60), percent(rates.mean())]
    for number, (name, of_seen) in enumerate((("seen", "a"), ("unseen", "b"))):
        rate = percent(rates[of_seen])
        assert page.rows[means + 2 + number] == [name, "1", str(wrong.size()[of_seen]), rate, rate]
    headings = [row[0] for row in page.rows if row[1:] == ["Images", "Error rate"]]
    assert headings == ["Category", "Source", "Seen"]


def test_what_a_run_does_not_hold_is_not_reported(run):
    table = run.predictions
    leaky = run.manifest | {"leaked": 1234, "repeats": 5678}
    counted = Page(report_of(replace(run, manifest=leaky))).text
    assert all(count in counted for count in ("1,234", "5,678"))
    unknown = Page(report_of(replace(run, manifest=leaky | {"leaks_checked": False}))).text
    assert "1,234" not in unknown
    assert "5,678" in unknown
    numbers = run.manifest["metrics"]
    clean = {"all": numbers["all"], "clean": numbers["clean"] | {"accuracy": 0.123}}
    lead = {}
    for name, metrics in (("clean", clean), ("nothing left", {"all": numbers["all"], "clean": {"images": 0}}),
                          ("no labels", {"all": {"images": 60}, "clean": {"images": 60}})):  # fmt: skip
        text = report_of(replace(run, manifest=run.manifest | {"metrics": metrics}))
        lead[name] = text.partition('<ul class="lead">')[2].partition("</ul>")[0]
    assert "Accuracy without them: 12.3%." in lead["clean"]
    assert [lead[name].count("<li>") for name in lead] == [5, 5, 1]
    assert "12.3%" not in lead["nothing left"]
    # of one class: scores that are not defined are none
    one_class = Page(report_of(replace(run, predictions=table[table["label"] == "REAL"])))
    assert ["is FAKE", "no images", "no images"] in one_class.rows
    [fake] = [row for row in one_class.rows if row[0] == "FAKE"]
    assert fake[1:] == ["none"] * 3
    [real] = [row for row in one_class.rows if row[0] == "REAL"]
    assert real[1] == "1.000"
    without = Page(report_of(replace(run, predictions=table.assign(label=pd.Categorical([None] * 60, CLASSES)))))
    assert not any(row[0] in CLASSES for row in without.rows)


def test_the_findings_of_each_study_are_shown_up_to_a_limit(source, run, monkeypatch):  # noqa: F811
    findings = [
        Finding(f"key{n}", "Which?", "faithfulness", (Contrast("image", "", Measure(3.0)),), subject=f"subject {n}")
        for n in range(4)
    ]
    monkeypatch.setattr("core.studies.store.conclude_study", lambda *_: findings)
    before = Page(report_of(run)).text
    run_study(BRIGHTNESS, source)
    studies, _ = find_studies(run)
    assert "No study has a finding." in before
    page = Page(report_of(run))
    assert [f"subject {n}" in page.text for n in range(4)] == [n < MOST_FINDINGS for n in range(4)]
    assert f"{MOST_FINDINGS} of 4 findings" in page.text
    assert [f"Study {name}" for name in studies] == [row[0] for row in page.rows if row[0].startswith("Study ")]
    assert hashlib.sha256((source.run / "studies/brightness.parquet").read_bytes()).hexdigest() in page.text


def test_settings_tell_what_a_run_was_made_with(run, monkeypatch):
    manifest = run.manifest | {"temperature": 1.23456, "versions": {"torch": "2", "a_b": 3}}
    detector = {
        "recipe": {"epochs": 2, "learning_rate": 0.5}, "computed_in": "float32",
        "members": [{"name": "part", "recipe": {}, "weight": 0.25}, {"name": "rest", "recipe": {"a": 3}, "weight": 1}],
        "training_set": "made-train", "training_set_fingerprint": "abc",
    }  # fmt: skip
    own = [
        ["Detector", f"{manifest['detector']}, weights sha256 {manifest['detector_sha256']}"],
        ["Images", f"{manifest['set']}, fingerprint {manifest['set_fingerprint']}"],
        ["Created", str(manifest["created"])],
        ["Temperature", "1.2346"],
        ["Versions", "torch 2, a b 3"],
    ]
    training = [
        ["Training", "epochs 2, learning rate 0.5; in float32"],
        ["Joined of part", "weight 0.250; none"],
        ["Joined of rest", "weight 1.000; a 3"],
        ["Trained on", "made-train, abc"],
    ]
    for maker, expected in (
        ({}, []),
        (detector, training),
        ({"recipe": {"epochs": 2}, "training_set": "a"}, [["Training", "epochs 2; in unknown"], ["Trained on", "a"]]),
    ):
        monkeypatch.setattr("core.report.run_report.maker_of", lambda _, maker=maker: maker)
        page = Page(report_of(replace(run, manifest=manifest)))
        assert page.rows[page.rows.index(["Setting", "Value"]) + 1 :] == own + expected


def test_the_largest_groups_are_shown(run):
    # thirty groups, of which the last six are the smallest
    number = np.where(np.arange(60) < 54, np.arange(60) % 24, np.arange(60))
    page = Page(report_of(replace(run, predictions=run.predictions.assign(source=[f"g{n:02}" for n in number]))))
    assert {row[0] for row in page.rows if row[0].startswith("g")} == {f"g{n:02}" for n in range(24)}


def test_a_filter_is_described_by_all_that_it_asks():
    wanted = Filter(tag="odd", name="cat", threshold=0.975).choosing("label", ["REAL"]).choosing("in_train", ["no"])
    wanted = wanted.choosing("file_format", ["png", "jpeg"]).ranging("confidence", 0.5, 0.75).ranging("margin", 0.95)
    assert describe(wanted.ranging("versus.margin", high=-1.25), "rival").split(", ") == [
        "file format png or jpeg",
        "also in the training set: no",
        "is REAL",
        "confidence from 0.5 up to 0.75",
        "margin from 0.95",
        "margin by rival up to -1.25",
        "tagged odd",
        "file name with cat",
        "at a threshold of 97.5%",
    ]
    assert describe(Filter()) == "all images"


def test_tiles_show_the_first_of_many_and_what_is_wrong(run, monkeypatch):
    monkeypatch.setattr("core.report.run_report.TILES", 7)
    table = browse_table(run)
    chosen = np.arange(60)[::-1]
    pictures = find_pictures(run, [])
    for sort, words in (("sure", "most confident first"), ("-margin", "by margin")):
        text = selection_report(run, table, Filter(sort=sort), chosen, pictures=pictures)
        assert f"The first 7 of 60, {words}." in Page(text).text
    tiles = re.findall(r'<li class="(\w+)( wrong)?"><img src="(.*?)" alt="(.*?)">\4<br><small>(.*?)</small>', text)
    shown = table.iloc[chosen[:7]]
    assert [name for *_, name in tiles] == shown["name"].tolist()
    assert [called for called, *_ in tiles] == shown["predicted"].str.lower().tolist()
    assert [bool(wrong) for _, wrong, *_ in tiles] == (shown["predicted"] != shown["label"]).tolist()
    assert [picture for *_, picture, _, _ in tiles] == [data_url(pictures.get(int(row))) for row in chosen[:7]]
    for (_, wrong, _, words, _), p_real, label in zip(tiles, shown["p_real"], shown["label"], strict=True):
        assert f"{p_real:.2f}" in words
        assert words.endswith(f"; is {label}") == bool(wrong)
    assert "The first" not in Page(selection_report(run, table, Filter(), chosen[:7], pictures=pictures)).text
    # without labels nothing is wrong, and without one kind of verdict there are no rates by category
    bare = replace(run, predictions=run.predictions.assign(label=pd.Categorical([None] * 60, CLASSES)))
    unlabelled = selection_report(bare, browse_table(bare), Filter(), chosen, pictures=pictures)
    assert 'wrong"' not in unlabelled
    assert "60 images" in Page(unlabelled).text
    assert "dashed where" not in Page(unlabelled).text
    assert not any(row[0].startswith("is ") for row in Page(unlabelled).rows)
    mixed = Page(selection_report(run, table, Filter(), chosen))
    assert ["Category", "Images", "Error rate"] in mixed.rows
    assert mixed.images == []
    nothing = selection_report(run, table, Filter(name="none"), chosen[:0])
    assert f"<title>0 images of {run.name}</title>" in nothing
    assert "file name with none" in nothing
