"""What components decide, apart from any page."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.explainers.agreement import Agreement
from core.images.palette import CLASS_COLOURS, rgb
from dashboard.components.agreement import conclusion, unclear
from dashboard.components.charts import clicked_value, rate_figure
from dashboard.components.component import key_of, one_of
from dashboard.components.picture import framed


def test_a_frame_has_the_colour_of_the_verdict_and_the_picture_is_whole() -> None:
    ramp = np.linspace(0, 255, 32).astype(np.uint8)
    image = np.broadcast_to(ramp[:, None, None], (32, 32, 3)).copy()
    drawn = framed(image, "FAKE")
    assert (drawn[0] == rgb(CLASS_COLOURS["FAKE"])).all()
    np.testing.assert_allclose(drawn[12:-8:8, 100], image[:, 0], atol=6)
    assert framed(image, None).shape == (256, 256, 3)


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        ({"selection": {"points": [{"customdata": ["cat", 1]}]}}, "cat"),
        ({"selection": {"points": [{"customdata": ["fish"]}]}}, None),
        ({"selection": {"points": []}}, None),
        ({"selection": {"points": [{"customdata": [["cat"]]}]}}, None),
        (None, None),
    ],
)
def test_a_click_on_a_bar_is_one_of_its_values(sent: object, value: str | None) -> None:
    assert clicked_value(sent, ["cat", "dog"]) == value


def test_bars_have_their_intervals_and_what_is_expected() -> None:
    rates = pd.DataFrame(
        {"value": ["a_b", "<c>"], "rate": [0.2, 0.4], "low": [0.1, 0.3], "high": [0.3, 0.6], "expected": [0.25, 0.1]}
    )
    bars, texts, expected = rate_figure(rates, overall=0.3).data
    assert list(bars.x) == [0.2, 0.4]
    np.testing.assert_allclose(bars.error_x.array, [0.1, 0.2])
    np.testing.assert_allclose(bars.error_x.arrayminus, [0.1, 0.1])
    # beyond whatever is drawn of a bar
    assert list(texts.x) == [0.3, 0.6]
    assert list(expected.x) == [0.25, 0.1]


def test_a_key_is_made_of_any_name() -> None:
    assert key_of("a", "b.c") != key_of("a", "b", "c")
    assert one_of(["a"], {"a"}) is None
    assert one_of("a", {"a"}) == "a"


def test_what_cannot_be_compared_is_not_said_to_agree() -> None:
    regions = SimpleNamespace(weights=[1.0])
    one_segment = SimpleNamespace(method="lime", parts=regions, has_picture=True, undecided=None)
    assert "one segment" in unclear(one_segment)  # type: ignore[arg-type]
    mostly = SimpleNamespace(method="lime", parts=None, has_picture=True, undecided=np.array([True, True, False]))
    assert "undecided" in unclear(mostly)  # type: ignore[arg-type]
    fine = SimpleNamespace(method="lime", parts=None, has_picture=True, undecided=None)
    assert not unclear(fine)  # type: ignore[arg-type]
    alike, chance = (Agreement(0.5, 0.5, 0.25, share, share, 200) for share in (0.01, 0.6))
    assert conclusion(alike) != conclusion(chance)
    assert "agree" not in conclusion(chance).lower()


def table_app() -> None:
    """Draw three findings: one with a headline that is HTML, one without a control, one in another unit."""
    from core.findings.finding import Choice, Control, Finding, Measure
    from dashboard.components.findings import finding_table

    chance, flips = Control("chance", Measure(0.2)), Measure(0.5, 0.4, 0.6)
    choices = (Choice("fill", "mean", flips, chance), Choice("fill", "<b>", Measure(0.1, 0.0, 0.2)))
    first = Finding("a", "probes", "flip_rate", flips, "FAKE", chance, choices=choices, headline="<i>H</i>")
    second = Finding("b", "probes", "flip_rate", Measure(0.3, 0.2, 0.4), "REAL", headline="I")
    finding_table([first, second, Finding("c", "audit", "cue_auroc", Measure(0.75), headline="J")])


def test_findings_are_rows_on_an_axis_and_their_choices_open() -> None:
    app = AppTest.from_function(table_app).run()
    assert not app.exception
    body = app.get("html")[0].proto.body
    assert body.count("<details>") == 3
    assert body.count('<div class="findings">') == 2
    assert "&lt;i&gt;H&lt;/i&gt;" in body
    assert "<td>&lt;b&gt;</td>" in body
    assert 'class="interval" style="left:40.00%;width:20.00%"' in body
    assert 'class="mark control" style="left:20.00%"' in body
    # an AUROC's axis runs from guessing to certainty
    assert 'class="mark " style="left:50.00%"' in body
    for word in ("holds", "no control", "FAKE verdicts", "chance"):
        assert word in body
    app.query_params["open"] = "all"
    assert app.run().get("html")[0].proto.body.count("<details open>") == 3
