"""What components decide, apart from any page."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.images.decoding import ImageError, decode
from core.images.encoding import encode_png
from core.storage.memory import Bounded
from dashboard.components import uploads
from dashboard.components.charts import clicked_value


@pytest.mark.parametrize(
    "sent, value",
    [
        ({"selection": {"points": [{"customdata": ["cat", 1]}]}}, "cat"),
        ({"selection": {"points": [{"customdata": ["fish"]}]}}, None),
        ({"selection": {"points": []}}, None),
        ({"selection": {"points": [{"customdata": [["cat"]]}]}}, None),
        (None, None),
    ],
)
def test_a_click_on_a_bar_is_one_of_its_values(sent, value):
    assert clicked_value(sent, ["cat", "dog"]) == value


def table_app():
    """Draw three findings: one with a question that is HTML, one without a control, one in another unit."""
    from core.findings.contrast import Contrast, Control, Finding, Measure
    from dashboard.components.findings import finding_table

    main = Contrast(
        "fill", "mean", Measure(0.5, 0.4, 0.6, 9000), Control("chance", Measure(0.2)), Measure(0.3, 0.2, 0.4)
    )
    contrasts = (main, Contrast("fill", "<b>", Measure(0.1, 0.0, 0.2)))
    finding_table(
        [
            Finding("a", "<i>H</i>", "flip_rate", contrasts, group="FAKE", least=0.05),
            Finding("b", "I", "flip_rate", (Contrast("fill", "mean", Measure(0.3, 0.2, 0.4)),), group="REAL"),
            Finding("c", "J", "cue_auroc", (Contrast("fill", "mean", Measure(0.75)),)),
        ]
    )


def test_findings_are_rows_on_an_axis_and_their_choices_open():
    app = AppTest.from_function(table_app).run()
    assert not app.exception
    body = app.get("html")[0].proto.body
    assert body.count("<details>") == 3
    assert body.count('<div class="findings">') == 2
    assert "&lt;i&gt;H&lt;/i&gt;" in body
    assert "<td>&lt;b&gt;</td>" in body
    assert 'class="interval" style="left:40.00%;width:20.00%"' in body
    # bars begin at zero; an AUROC's axis runs from guessing to certainty
    assert 'class="effect FAKE" style="left:0.00%;width:50.00%"' in body
    assert 'class="control" style="left:0.00%;width:20.00%"' in body
    assert 'class="effect " style="left:0.00%;width:50.00%"' in body
    for word in ("yes", "no control", "9,000", "chance"):
        assert word in body
    app.query_params["open"] = "all"
    assert app.run().get("html")[0].proto.body.count("<details open>") == 3


def test_uploads_are_decoded_one_at_a_time_and_the_last_two_are_kept(monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    png, busy, decoded = encode_png(pixels), threading.Lock(), []

    def watched(data):
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
