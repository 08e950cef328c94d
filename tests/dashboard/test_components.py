"""What components decide, apart from any page."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.images.decoding import ImageError, decode
from core.images.encoding import encode_png
from dashboard.components import uploads
from dashboard.components.charts import ticked_value
from tests.conftest import noise


@pytest.mark.parametrize(
    ("rows", "value"), [([1], "dog"), ([2], None), ([-1], None), ([True], None), ([], None), ("x", None), (None, None)]
)
def test_a_ticked_row_is_one_of_its_values(rows, value):
    assert ticked_value({"selection": {"rows": rows}}, ["cat", "dog"]) == value


def table_app():
    """Draw a finding."""
    from dashboard.components.findings import finding_table
    from tests.core.findings.planted import contrast, finding

    finding_table([finding(contrast(0.4))])


def test_findings_open_with_the_page():
    app = AppTest.from_function(table_app).run()
    assert not app.exception
    assert app.get("html")[0].proto.body.count("<details>") == 1
    app.query_params["open"] = "all"
    assert app.run().get("html")[0].proto.body.count("<details open>") == 1


def test_uploads_are_decoded_one_at_a_time_and_the_last_two_are_kept(monkeypatch):
    pixels = noise(50, 70)
    png, busy, decoded = encode_png(pixels), threading.Lock(), []

    def watched(data):
        assert busy.acquire(blocking=False)
        time.sleep(0.01)
        decoded.append(data)
        busy.release()
        return decode(data)

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
