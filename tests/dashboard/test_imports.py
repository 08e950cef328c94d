"""What a page costs to open: whoever only looks at what a run and its studies hold never reads torch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dashboard.studies import TRUST, add_studies

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
heavy = {{"torch", "torchvision", "torchcam", "lime", {also!r}}} & set(sys.modules)
assert not heavy, heavy
"""


@pytest.mark.parametrize(
    ("page", "title", "studies"),
    [
        ("overview", "How good is the detector?", ()),
        ("explore", "Browse the images", ("clusters",)),
        ("patterns", "Which images does it treat alike?", ("clusters",)),
        ("trust", "Can the explanations be trusted?", TRUST),
        ("data", "What could it learn that is not AI?", ("audit", "duplicates", "files")),
    ],
)
def test_browsing_reads_no_torch(home: Path, page: str, title: str, studies: tuple[str, ...]) -> None:
    add_studies(home, *studies)
    switch = "" if page == "overview" else f'app.switch_page("views/{page}/page.py").run()'
    # what draws maps takes their colours from scikit-image
    code = CODE.format(switch=switch, title=title, also="torch" if page == "patterns" else "skimage")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
