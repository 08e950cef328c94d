"""The page that explains one image, and the sentences that compare explanations."""

from dataclasses import replace

import numpy as np
import pytest

from core.explainers.cam import GRADCAM
from core.explainers.drawing import DRAWINGS, SIZE, Style, bar_colours, draw_explanation, draw_image, scale_of
from core.explainers.explanation import Diagnostics, Explanation, Parts, Provenance
from core.explainers.lime import LIME, LimeSettings
from core.explainers.settings import settings_text
from core.findings.numbers import percent, plus
from core.images.encoding import data_url
from core.images.labels import END_LABELS
from core.perturbations.flips import flipping, reason, tabulate_changes
from core.perturbations.registry import probe_columns
from core.report.explanation_page import compared, html_of
from tests.core.report.test_report import REVERSED, Page

SIDE = 16
# 11 of 22 pixels and one of 14
PARTS = (np.arange(SIDE * SIDE).reshape(SIDE, SIDE) // 22).astype(np.int32)
RAMP = np.arange(SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE) - 90


def explained(values, *, lime=False, **changes):
    """An explanation with this map, by Grad-CAM's default settings or by LIME."""
    method, settings = ("lime", LimeSettings()) if lime else ("gradcam", GRADCAM.settings())
    found = Explanation(
        image=np.full((SIDE, SIDE, 3), 99, np.uint8), margin=-1.25, p_real=0.2, method=method, settings=settings,
        provenance=Provenance("tiny", "ab" * 32, 0.0), unit="margin", values=values,
        diagnostics=Diagnostics("Rely on it.", numbers={"samples": 64}),
    )  # fmt: skip
    return replace(found, **changes)


def test_a_page_says_what_its_explanations_hold():
    weights = np.array([0.5, -3.0, 0.25, 2.0] + [0.01 * n for n in range(8)])
    high = np.where(np.arange(12) == 1, np.inf, weights + 0.125)
    names = tuple(f"part {n}" for n in range(12))
    parts = Parts(names, weights, weights - 0.125, high, np.sign(weights).astype(np.int8), PARTS)
    lime = explained(weights[PARTS], lime=True, parts=parts)
    cam = explained(RAMP)
    columns = probe_columns()
    generator = np.random.default_rng(1)
    margins = dict(zip(columns, generator.choice([-2.0, 2.0], len(columns)), strict=True))
    changes = tabulate_changes(margins, dict(zip(columns, generator.uniform(1, 9, len(columns)), strict=True)), -1.25)
    text = html_of(
        [(cam, Style()), (lime, Style())], title=f"a {REVERSED}<b>title</b>", notes=["Cropped."], label="REAL",
        measured={"lime": "Measured."}, agreement=["They agree."], probes=changes,
    )  # fmt: skip
    page = Page(text)
    assert "a <b>title</b>" in page.text
    assert REVERSED not in page.text
    # its margin, class and certainty
    for words in (
        "FAKE",
        "a mistake",
        percent(0.8),
        plus(-1.25),
        "Cropped.",
        "Measured.",
        "They agree.",
        "Rely on it.",
    ):
        assert words in page.text
    assert len(page.images) == 5
    # the ten strongest parts, the strongest first
    order = np.argsort(-np.abs(weights))[:10]
    rows = {row[0]: row for row in page.rows}
    assert [name for name in rows if name in names] == [names[number] for number in order]
    assert rows["part 3"][1:4] == ["22", plus(2.0), f"{plus(1.875)} to {plus(2.125)}"]
    assert rows["part 1"][3] == "unknown: too few samples"
    # every change that flips it unlike its controls, the smallest first
    assert reason(changes, side=len(cam.image), label="REAL") in page.text
    flips = flipping(changes)
    assert len(flips) > 1
    became = [row[1] for row in page.rows if "the verdict is now REAL" in row[-1]]
    expected = [f"margin -1.25 to +2.00, a change of {size:.2g} grey levels" for size in flips["size"]]
    assert all(words in text for words, text in zip(expected, became, strict=True))
    named = [f"{probe.title}, {strength.at(SIDE).full_label}" for probe, strength in map(columns.get, flips.index)]
    assert [row[0] for row in page.rows if "the verdict is now REAL" in row[-1]] == named
    nothing = tabulate_changes(dict.fromkeys(columns, -1.0), dict.fromkeys(columns, 3.0), -1.25)
    calm = Page(html_of([(cam, Style())], title="", label="FAKE", probes=nothing))
    assert calm.rows == []
    assert reason(nothing, side=SIDE, label="FAKE") in calm.text
    right = Page(html_of([(replace(cam, margin=3.0, p_real=0.9), Style())], title="", label="REAL"))
    assert "correct" in right.text
    assert "What flips" not in right.text
    assert "of it is" not in Page(html_of([(cam, Style())], title="")).text


def test_two_explanations_are_compared_as_far_as_they_can_be():
    generator = np.random.default_rng(0)
    lime = explained(RAMP, lime=True)
    cam = explained(RAMP * 2 + 3)
    flat = explained(np.ones_like(RAMP), lime=True)
    noise = generator.normal(size=(40, SIDE, SIDE)).astype(np.float32)
    one = Parts(("all",), np.ones(1), np.ones(1), np.ones(1), np.ones(1, np.int8), np.zeros((SIDE, SIDE), np.int32))
    half = np.arange(SIDE * SIDE).reshape(SIDE, SIDE) < SIDE * SIDE / 2
    # in either order, Grad-CAM's map is the one that other images' are compared with
    for pair in ([cam, lime], [lime, cam]):
        (row,) = compared(pair, noise).itertuples()
        assert row.Index == f"{LIME.title} and {GRADCAM.title}"
        assert row.conclusion.startswith("They agree")
        assert list(row)[2:] == [plus(1.0), "100%", "25%", "0 of 40"]
    mostly_undecided = replace(lime, undecided=~half | (RAMP == -90))
    for pair, others, conclusion, fit_as_well in (
        ([lime, cam], np.repeat(RAMP[None], 40, axis=0), "No more alike", "40 of 40"),
        ([lime, cam], None, "How much of it", "unknown"),
        ([lime, cam], noise[:18], "How much of it", "0 of 18"),
        # of another kind than those that runs keep
        ([lime, lime], noise, "How much of it", "unknown"),
        ([flat, cam], noise, "One of the maps", None),
        ([replace(lime, parts=one), cam], noise, "LIME has one", None),
        ([mostly_undecided, cam], noise, "LIME is undecided", None),
    ):
        row = compared(pair, others).iloc[0]
        assert row["conclusion"].startswith(conclusion)
        measures = row.drop("conclusion").dropna()
        assert len(measures) == (0 if fit_as_well is None else 4)
        assert measures.iloc[-1:].tolist() == [fit_as_well] * bool(fit_as_well)
    # half of it is enough
    assert compared([replace(lime, undecided=half), cam], noise)["conclusion"].iloc[0].startswith("They agree")


@pytest.mark.parametrize("drawing, other", [("overlay", "alone"), ("alone", "overlay")])
def test_a_map_is_drawn_as_chosen_and_in_another_way_beside_its_scale(drawing, other):
    made = Provenance("tiny", "ab" * 32, 1.234, versions={"torch": "2", "numpy": "3"})
    cam = explained(RAMP, provenance=made)
    style = Style("paper", drawing=drawing)
    text = html_of([(cam, style)], title="a title", label="FAKE")
    page = Page(text)
    drawn = [replace(style, drawing=name) for name in (drawing, other)]
    sources = [str(image["src"]) for image in page.images]
    expected = [data_url(draw_explanation(cam, style=own)) for own in drawn]
    assert sources == [data_url(draw_image(cam.image, SIZE)), *expected]
    assert [str(image["alt"]).rpartition(", ")[2].lower() for image in page.images[1:]] == [
        DRAWINGS[name] for name in (drawing, other)
    ]
    assert ", ".join(bar_colours("paper")) in text
    assert all(words in page.text for words in END_LABELS["paper"])
    scale = scale_of(cam, style)
    assert f"{-scale:.2g}" in page.text
    assert f"{scale:+.2g}" in page.text
    assert f"{SIDE} x {SIDE} pixels, enlarged" in page.text
    assert all(words in page.text for words in ("torch 2, numpy 3", "1.23 seconds", "a title", GRADCAM.title))
    assert settings_text(cam.settings) in page.text
    assert GRADCAM.reading(cam) in page.text
    # one that is read from the run took no time, and a large picture is not enlarged
    large = replace(cam, image=np.zeros((SIZE, SIZE, 3), np.uint8), provenance=replace(made, seconds=0.0, versions={}))
    stored = Page(html_of([(large, style)], title=""))
    assert "seconds" not in stored.text
    assert "torch" not in stored.text
    assert "16-bit" in stored.text
    assert "enlarged" not in stored.text
    assert "16-bit" not in page.text
    # where nothing is decided there is no map to draw
    undecided = Page(html_of([(replace(cam, undecided=np.ones_like(cam.values, bool)), style)], title=""))
    assert len(undecided.images) == 1
