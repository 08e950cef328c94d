"""Small charts: their ticks, and what Overview gives them, compared with what is known of the curves."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from core.runs.run import read_run
from dashboard.components.plot import Axis, ticks_of
from tests.dashboard.conftest import Open


@pytest.mark.parametrize(
    ("axis", "ticks"),
    [
        (Axis("", 0, 1, ticks=6), [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (Axis("", -0.01, 1.01, ticks=6), [0, 0.25, 0.5, 0.75, 1]),
        (Axis("", 0, 18_000, ticks=4), [0, 10_000]),
        (Axis("", 0.7, 20.3, ticks=10, whole=True), [3, 6, 9, 12, 15, 18]),
        (Axis("", 0.9, 2.1, ticks=10, whole=True), [1, 2]),
        (Axis("", 5, 5), [5]),
    ],
)
def test_ticks_are_round_and_within(axis: Axis, ticks: list[float]) -> None:
    assert ticks_of(axis) == ticks


def test_many_axes() -> None:
    generator = np.random.default_rng(0)
    for low, span in zip(generator.normal(0, 100, 300), 10 ** generator.uniform(-3, 6, 300), strict=True):
        found = ticks_of(Axis("", low, low + span))
        assert 2 <= len(found) <= 8
        assert all(low - 1e-6 <= tick <= low + span + 1e-6 for tick in found)


def test_overview_draws_its_charts_without_plotly(open_page: Open, home: Path) -> None:
    app = open_page("overview", run="tiny@seen-test")
    assert not app.exception
    assert not app.get("plotly_chart")
    drawn = {}
    for name in ("roc", "pr", "confidence", "calibration", "training"):
        (one,) = [one.proto for one in app.get("bidi_component") if one.proto.id.endswith(f"-{name}")]
        drawn[name] = json.loads(one.json)
    rows = read_run(home / "runs" / "tiny@seen-test").predictions
    fake, p_real = (rows["label"] == "FAKE").to_numpy(), rows["p_real"].to_numpy()
    # scikit-learn's curve passes through every point of ours
    rates, recalls, _ = roc_curve(fake, -p_real, drop_intermediate=False)
    curve = drawn["roc"]["panels"][0]["lines"][1]
    known = {(round(rate, 4), round(recall, 4)) for rate, recall in zip(rates, recalls, strict=True)}
    assert {(round(x, 4), round(y, 4)) for x, y in zip(curve["x"], curve["y"], strict=True)} <= known
    counts = [sum(panel["bars"][0]["y"]) for panel in drawn["confidence"]["panels"]]
    wrong = int(((p_real <= 0.5) != fake).sum())
    assert counts == [len(rows) - wrong, wrong]
    assert drawn["training"]["panels"][0]["lines"][1]["y"] == [0.6]
    assert all(one["alt"] for one in drawn.values())
