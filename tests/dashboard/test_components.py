"""What components decide, apart from any page."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.images.decoding import ImageError, decode
from core.images.encoding import encode_png
from core.storage import Bounded
from dashboard.components import uploads
from dashboard.components.charts import clicked_value


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


def test_uploads_are_decoded_one_at_a_time_and_the_last_two_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    png, busy, decoded = encode_png(pixels), threading.Lock(), []

    def watched(data: bytes) -> np.ndarray:
        assert busy.acquire(blocking=False)
        time.sleep(0.01)
        decoded.append(data)
        busy.release()
        return decode(data)

    monkeypatch.setattr(uploads, "_decoded", Bounded(2))
    monkeypatch.setattr(uploads, "decode", watched)
    with ThreadPoolExecutor(6) as visitors:
        found = list(visitors.map(lambda number: uploads.with_pixels(f"file {number % 3}", png, np.copy), range(6)))
    assert all(np.array_equal(each, pixels) for each in found)
    before = len(decoded)
    for name in ("a", "b", "a", "b", "c", "b", "a"):
        uploads.with_pixels(name, png, np.copy)
    assert len(decoded) - before == 4
    with pytest.raises(ImageError):
        uploads.with_pixels("no image", b"hello", np.copy)
