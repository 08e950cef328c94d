"""What a page costs to open: Overview and Explore never read torch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = """
import sys
from streamlit.testing.v1 import AppTest
app = AppTest.from_file("dashboard/app.py", default_timeout=120)
app.query_params["run"] = "tiny@seen-test"
app.run()
{switch}
assert not app.exception, app.exception
assert app.title[0].value == {title!r}, app.title
heavy = {{"torch", "torchvision", "torchcam", "lime", "skimage"}} & set(sys.modules)
assert not heavy, heavy
"""


@pytest.mark.parametrize(
    ("page", "title"), [("overview", "How good is the detector?"), ("explore", "Browse the images")]
)
def test_browsing_reads_no_torch(home: Path, page: str, title: str) -> None:
    switch = "" if page == "overview" else f'app.switch_page("views/{page}.py").run()'
    code = CODE.format(switch=switch, title=title)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
