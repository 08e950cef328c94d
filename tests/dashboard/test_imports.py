"""What a page costs to open: whoever only looks at what a run and its studies hold never reads torch."""

import os
import subprocess
import sys
from pathlib import Path

from tests.dashboard.studies import TRUST, add_studies

ROOT = Path(__file__).parents[2]
# one process, as all of it must hold of whoever turns from page to page
CODE = """
import os
import sys
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash
heavy = {"torch", "torchvision", "torchcam", "lime"}
titles = {"detectors": "Detectors", "maps": "Can maps be believed?", "reads": "What it reads"}
app = AppTest.from_file("dashboard/main.py", default_timeout=120)
app.query_params["run"] = "tiny@seen-test"
for page, title in titles.items():
    app.query_params["tab"] = "Patterns" if page == "reads" else "Data"
    app._page_hash = calc_hash(page)
    app.run()
    assert not app.exception, (page, app.exception)
    assert title in app.title[0].value, app.title
    assert not heavy & set(sys.modules), (page, heavy & set(sys.modules))
# a thread may still read pictures, and closing the interpreter beneath one can abort it (seen once in CI)
os._exit(0)
"""


def test_browsing_reads_no_torch(home):
    add_studies(home, "clusters", "audit", "duplicates", "files", *TRUST)
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
