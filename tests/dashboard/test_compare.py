"""The page Compare: numbers against the runs' own, runs that cannot be compared, and the way into Explore."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.contingency_tables import mcnemar

from core.detectors.storage import save_detector
from core.runs.run import read_run
from core.runs.writing import write_run
from core.studies.comparison import pair_of
from core.studies.store import study_path, write_study
from dashboard import library
from dashboard.views.compare_parts import figures
from dashboard.views.compare_parts.choice import others
from tests.conftest import make_detector
from tests.core.studies.pairs import made_run
from tests.core.studies.test_compared_images import others as others_of
from tests.dashboard.conftest import Open, image_set
from tests.dashboard.test_pages import words
from tests.hostile.damage import reseal

RUN, OTHER = "tiny@seen-test", "twin@seen-test"


@pytest.fixture
def two(home: Path) -> Path:
    """The home with a second detector's run on the same images, and one on others."""
    twin = make_detector(seed=3)
    twin.manifest = {"name": "twin"}
    margins = twin.margins(image_set("x").pixels)
    twin.network.fc.bias.data[1] -= float(np.median(margins))
    twin = type(twin)(twin.network, twin.width, manifest=twin.manifest)
    save_detector(home / "detectors" / "twin", twin, model_card="# Detector `twin`\n")
    write_run(home, twin, image_set("seen-test"), ship_images=True)
    write_run(home, twin, image_set("other-test", 40))
    return home


def test_the_first_screen_says_who_is_right_more_often(two: Path, open_page: Open) -> None:
    app = open_page("compare", run=RUN, versus=OTHER)
    assert not app.exception
    first, second = (read_run(two / "runs" / name).predictions.set_index("id") for name in (RUN, OTHER))
    second = second.loc[first.index]
    right = [(one["label"].astype(str) == one["predicted"].astype(str)).to_numpy() for one in (first, second)]
    table = [[(right[0] & right[1]).sum(), (right[0] & ~right[1]).sum()],
             [(~right[0] & right[1]).sum(), (~right[0] & ~right[1]).sum()]]  # fmt: skip
    p = mcnemar(table, exact=True).pvalue
    text = words(app)
    assert f"{100 * right[0].mean():.1f}%" in text or f"{100 * right[0].mean():.0f}%" in text
    assert "p < 0.001" in text if p < 0.001 else f"p = {p:.2f}" in text or f"p = {p:.3f}" in text
    assert f"only `tiny` errs on {table[1][0]}, only `twin` on {table[0][1]}, and both on {table[1][1]}" in text


@pytest.mark.parametrize("run", [RUN, OTHER])
def test_a_detector_that_contains_the_other_is_named(two: Path, open_page: Open, run: str) -> None:
    asked = {"run": run, "versus": OTHER if run == RUN else RUN}
    assert "are not independent" not in words(open_page("compare", **asked))
    twin = read_run(two / "runs" / OTHER).manifest["detector_sha256"]
    members = [
        {"name": name, "recipe": {}, "weight": 1.0, "val_accuracy": 0.5, "weights_sha256": sha256}
        for name, sha256 in (("else", "0" * 64), ("twin", twin))
    ]
    reseal(two / "detectors" / "tiny", history=[], members=members)
    text = words(open_page("compare", **asked))
    assert "**twin** is one of the 2 networks that **tiny** joins, so their errors are not independent." in text


def test_each_part_opens_on_demand(two: Path, open_page: Open) -> None:
    app = open_page("compare", run=RUN, versus=OTHER)
    assert len(app.subheader) == 1
    for more in ("category", "margins", "calibration", "reads", "deliveries", "other", "explanations"):
        app.query_params["more"] = more
        app.run()
        assert not app.exception
        assert len(app.subheader) == 2
    app.query_params["more"] = "reads"
    assert "has not been made" in words(app.run())
    for name, share in ((RUN, 0.9), (OTHER, 0.0)):
        add_probes(two / "runs" / name, share)
    text = words(app.run())
    assert not app.exception
    assert "`tiny` reads significantly more of detail" in text
    assert "has not been made" not in text


def test_what_is_too_many_to_draw_is_counted(two: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    images = image_set("many-test")
    images = replace(images, rows=images.rows.assign(category=[f"kind {number % 30}" for number in range(60)]))
    for name, seed in (("third", 3), ("fourth", 4)):
        detector = make_detector(seed=seed)
        detector.manifest = {"name": name}
        write_run(two, detector, images)
    asked = {"run": "third@many-test", "versus": "fourth@many-test"}
    assert "The 24 of 30 categories with the most images." in words(open_page("compare", **asked, more="category"))
    assert "images are drawn" not in words(open_page("compare", **asked, more="margins"))
    monkeypatch.setattr(figures, "MOST_POINTS", 50)
    said = words(open_page("compare", **asked, more="margins"))
    assert "50 of the 60 images are drawn: first those that either gets wrong (an even selection where" in said


def test_of_too_many_errors_those_of_both_classes_and_right_verdicts_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    is_real, wrong = np.arange(80) // 20 % 2 == 1, np.arange(80) < 40
    margins = np.where(is_real != wrong, 1.0, -1.0)
    pair = pair_of(made_run("a", margins, is_real), made_run("b", margins, is_real))
    monkeypatch.setattr(figures, "MOST_POINTS", 8)
    for trace in figures.margins(pair).data:
        # as many on either side of 0
        assert np.sign(trace.x).tolist().count(1) == np.sign(trace.x).tolist().count(-1) == 2


def test_a_category_opens_in_explore_beside_the_other_detector(two: Path, open_page: Open) -> None:
    app = open_page("compare", run=RUN, versus=OTHER, more="category")
    app.selectbox(key="compare.category.open").set_value("dog").run()
    assert not app.exception
    assert app.title[0].value == "Browse the images"
    table = read_run(two / "runs" / RUN).predictions
    dogs = int((table["category"] == "dog").sum())
    assert f"**{dogs}** of {len(table)} images" in words(app)
    assert app.query_params["versus"] == OTHER


def add_probes(path: Path, share: float) -> None:
    """Write probes of a run: one change that flips this share of its verdicts, and a control that flips none."""
    run = read_run(path)
    margins = run.predictions["margin"].to_numpy()
    flipped = np.random.default_rng(0).random(len(margins)) < share
    table = pd.DataFrame(
        {
            "id": run.predictions["id"],
            "weight": np.ones(len(margins), np.float32),
            "lowpass_8": np.where(flipped, -margins, margins),
            "lowpass_8_size": np.full(len(margins), 8.0, np.float32),
            "lowpass_control_8": margins,
            "lowpass_control_8_size": np.full(len(margins), 8.0, np.float32),
        }
    )
    about = {key: run.manifest[key] for key in ("detector_sha256", "set_fingerprint")}
    about |= {"study": "probes", "title": "Probes", "parameters": {"seed": 0}, "images": len(run), "of": len(run)}
    write_study(study_path(path, "probes"), table, about)


def test_both_after_deliveries_and_on_other_images(two: Path, open_page: Open) -> None:
    for name, share in ((RUN, 0.0), (OTHER, 0.5)):
        run = read_run(two / "runs" / name)
        signs = np.where(run.is_real, 1.0, -1.0)
        wrong = np.arange(len(signs)) < share * len(signs)
        table = pd.DataFrame({"id": run.predictions["id"], "weight": np.ones(len(signs), np.float32)})
        table = table.assign(jpeg_75=np.where(wrong, -signs, signs), png=signs)
        for study, rows in (("deliveries", table), ("transfer", others_of({"x": [9, 9], "y": [8, 8]}))):
            about = {key: run.manifest[key] for key in ("detector_sha256", "set_fingerprint")}
            about |= {
                "study": study,
                "title": study,
                "parameters": {"imitates": "CIFAR-10"},
                "images": len(run),
                "of": len(run),
            }
            write_study(study_path(two / "runs" / name, study), rows, about)
    app = open_page("compare", run=RUN, versus=OTHER, more="deliveries")
    assert not app.exception
    assert "`tiny` is right more often after 1 of 1 delivery (JPEG 75)." in words(app)
    app = open_page("compare", run=RUN, versus=OTHER, more="other")
    assert not app.exception
    assert "pictures by 2 generators that imitate CIFAR-10, `tiny` calls" in words(app)
    assert "squares of 8 ordinary photographs, `tiny` calls" in words(app)


def test_runs_that_cannot_be_compared_give_a_sentence(two: Path, open_page: Open) -> None:
    assert "are runs on different images" in words(open_page("compare", run=RUN, versus="twin@other-test"))
    assert "is not here" in words(open_page("compare", run=RUN, versus="nobody@seen-test"))
    assert "There is no other run on the images" in words(open_page("compare", run="twin@other-test"))


def test_a_damaged_run_is_not_chosen_where_another_opens(two: Path, open_page: Open) -> None:
    damaged = two / "runs" / "tiny@blind-test"
    (damaged / "predictions.parquet").write_bytes(b"no table")
    assert others(library.open_run(two / "runs" / RUN))[0] == damaged.name
    app = open_page("compare", run=RUN)
    assert not app.error
    assert app.selectbox(key="url.versus").value == OTHER
    # nor for a run that is gone from the address
    app = open_page("compare", run=RUN, versus="nobody@seen-test")
    assert not app.error
    assert app.selectbox(key="url.versus").value == OTHER
    (two / "runs" / RUN / "predictions.parquet").write_bytes(b"no table")
    assert not open_page("overview", run="nobody@seen-test").error


def test_explore_filters_by_the_verdict_of_the_other(two: Path, open_page: Open) -> None:
    parameters = {"run": RUN, "versus": OTHER, "result": "right", "versus.correct": "wrong"}
    app = open_page("explore", **parameters)
    first, second = (read_run(two / "runs" / name).predictions.set_index("id") for name in (RUN, OTHER))
    second = second.loc[first.index]
    right = [(one["label"].astype(str) == one["predicted"].astype(str)).to_numpy() for one in (first, second)]
    many = int((right[0] & ~right[1]).sum())
    assert 0 < many < len(first)
    assert f"**{many}** of {len(first)} images" in words(app)
    # another image set has no verdict on these
    app = open_page("explore", **parameters | {"versus": "twin@other-test"})
    assert not app.exception
    assert f"**{int(right[0].sum())}** of {len(first)} images" in words(app)


def test_others_are_found_by_their_manifests(two: Path) -> None:
    opened = library.open_run(two / "runs" / RUN)
    assert others(opened) == ["tiny@blind-test", OTHER]
