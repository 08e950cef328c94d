"""Photograph pages on the run that opens by default, as much as a window of 1440 x 900 shows: the README's pictures.

python -m tests.browser.screenshots [--out assets/screenshots] [--pages start mistakes]
"""

import argparse
import tempfile
from pathlib import Path
from urllib.parse import urlencode

from core.runs.folders import ROOT
from tests.browser.app import PATIENCE, running_browser, visit
from tests.dashboard.conftest import PAGES
from tests.server import running_server

RUN = "swift@cifake-test"
# what an address says where that shows more of the page
SHOWN = {"mistakes": {"true": "FAKE", "said": "REAL"}}


def main() -> None:
    """Start a server that sees only what ships, photograph it, stop it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "assets" / "screenshots")
    parser.add_argument("--pages", nargs="+", choices=PAGES, default=("start", "mistakes", "try_picture", "play"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as cache,
        running_server(ROOT / "assets", Path(cache)) as (address, _),
        running_browser() as browser,
    ):
        page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme="light")
        page.set_default_timeout(PATIENCE)
        for name in options.pages:
            path = "" if name == PAGES[0] else name
            visit(page, f"{address}/{path}?{urlencode({'run': RUN, **SHOWN.get(name, {})})}")
            # a photograph of pictures: as PNG it would have six times the bytes
            page.screenshot(path=options.out / f"{name}.jpg", type="jpeg", quality=88)


if __name__ == "__main__":
    main()
